// What happens in Redis in one step: who owns a session, where a workspace lies, which members there are, what a tenant uses. Owns the
// names of all keys and their ends; what a member makes of the answers is placement-store.ts's and fleet.ts's business.
//
// Keys, all with one hash tag, so that a Redis Cluster keeps them on one node, where a script may touch them together:
//   {cloister}:epoch                 the last fencing epoch; never goes back while a member remembers a higher one
//   {cloister}:opensAt               ms from which new placements are made; a Redis that has lost its data has none
//   {cloister}:members               sorted set: member -> end of its lease
//   {cloister}:member:ID             lostAt: end of lease and grace; record: JSON
//   {cloister}:placement:T/S         owner, epoch, workspace, keep, sandbox; owner empty: a moved session that is closed
//   {cloister}:workspace:T/W         member, keep
//   {cloister}:sandbox:ID            T/S
//   {cloister}:usage:T               session -> "untilMs memoryBytes cpus diskBytes execs"
//   {cloister}:sessions:ID           set: T/S of a member's placements, some of which may be another's by now
// A session's lease is its owner's: one heartbeat renews all a member has.

/** Of placements and what belongs to them, from their last refresh on. */
const PLACEMENT_MS = 24 * 3_600_000;
/** Of a kept workspace's place and of a member that went; a member that is there refreshes its workspaces. */
const WORKSPACE_MS = 7 * 24 * 3_600_000;

/** ARGV[1] is the time in ms; negative: that of Redis, the one clock all members share. */
const PRELUDE = `
local P = '{cloister}:'
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function leftOf(member)
  local lostAt = tonumber(redis.call('HGET', P .. 'member:' .. member, 'lostAt') or 0)
  return math.max(0, lostAt - now)
end
local function place(tenant, session, workspace, owner, epoch, keep, usage, moved, sandbox)
  local p, w, u = P .. 'placement:' .. tenant .. '/' .. session, P .. 'workspace:' .. tenant .. '/' .. workspace, P .. 'usage:' .. tenant
  redis.call('HSET', p, 'owner', owner, 'epoch', epoch, 'workspace', workspace, 'keep', keep)
  if moved then redis.call('HSET', p, 'moved', 1) end
  redis.call('PEXPIRE', p, ${PLACEMENT_MS})
  redis.call('HSET', w, 'member', owner, 'keep', keep)
  redis.call('PEXPIRE', w, keep == '1' and ${WORKSPACE_MS} or ${PLACEMENT_MS})
  redis.call('HSET', u, session, string.format('%.0f %s', now + ${PLACEMENT_MS}, usage))
  redis.call('PEXPIRE', u, ${PLACEMENT_MS})
  redis.call('SADD', P .. 'sessions:' .. owner, tenant .. '/' .. session)
  redis.call('PEXPIRE', P .. 'sessions:' .. owner, ${WORKSPACE_MS})
  if sandbox ~= '' then
    redis.call('HSET', p, 'sandbox', sandbox)
    redis.call('SET', P .. 'sandbox:' .. sandbox, tenant .. '/' .. session, 'PX', ${PLACEMENT_MS})
  end
end
`;

/** now, id, leaseMs, graceMs, record -> [1: its lease had not lapsed, opensAt] */
const HEARTBEAT = `
local id, lease, grace, record = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local opensAt = redis.call('GET', P .. 'opensAt')
if not opensAt then opensAt = string.format('%.0f', now + lease) end
redis.call('SET', P .. 'opensAt', opensAt, 'PX', ${WORKSPACE_MS})
local wasThere = leftOf(id) > 0
redis.call('HSET', P .. 'member:' .. id, 'lostAt', string.format('%.0f', now + lease + grace), 'record', record)
redis.call('PEXPIRE', P .. 'member:' .. id, ${WORKSPACE_MS})
redis.call('ZADD', P .. 'members', now + lease, id)
redis.call('ZREMRANGEBYSCORE', P .. 'members', '-inf', now - ${WORKSPACE_MS})
redis.call('PEXPIRE', P .. 'members', ${WORKSPACE_MS})
return { wasThere and 1 or 0, opensAt }
`;

/** now, id: gone for good, with nothing left of it but its workspaces. */
const LEAVE = `
redis.call('ZREM', P .. 'members', ARGV[2])
redis.call('DEL', P .. 'member:' .. ARGV[2])
return 1
`;

/** now -> records of the members whose lease lasts */
const MEMBERS = `
local records = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'members', '(' .. string.format('%.0f', now), '+inf')) do
  local record = redis.call('HGET', P .. 'member:' .. id, 'record')
  if record then records[#records + 1] = record end
end
return records
`;

/** now, tenant, session, workspace -> [owner or '', its record or '', ms until it counts as lost, 1: its workspace is bound there] */
const LOCATE = `
local owner, keep = unpack(redis.call('HMGET', P .. 'placement:' .. ARGV[2] .. '/' .. ARGV[3], 'owner', 'keep'))
if not owner or owner == '' then
  owner, keep = unpack(redis.call('HMGET', P .. 'workspace:' .. ARGV[2] .. '/' .. ARGV[4], 'member', 'keep'))
end
if not owner then return { '', '', 0, '0' } end
return { owner, redis.call('HGET', P .. 'member:' .. owner, 'record') or '', leftOf(owner), keep }
`;

/** now, sandbox id -> [owner or '', its record or ''] */
const OWNER_OF = `
local name = redis.call('GET', P .. 'sandbox:' .. ARGV[2])
local owner = name and redis.call('HGET', P .. 'placement:' .. name, 'owner')
if not owner or owner == '' then return { '', '' } end
return { owner, redis.call('HGET', P .. 'member:' .. owner, 'record') or '' }
`;

/**
 * now, self, tenant, session, workspace, keep, fresh, usage, ceilings ->
 * [acquired, epoch, former owner or ''] [elsewhere, owner, ms until it is lost, 1: its workspace is bound there] [quota, which, used] [settling, ms]
 */
const ACQUIRE = `
local self, tenant, session, workspace, keep, fresh, usage = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local opensAt = tonumber(redis.call('GET', P .. 'opensAt') or now + 1000)
if now < opensAt then return { 'settling', string.format('%.0f', opensAt - now) } end
local owner, epoch, kept = unpack(redis.call('HMGET', P .. 'placement:' .. tenant .. '/' .. session, 'owner', 'epoch', 'keep'))
local former = ''
for _, holder in ipairs({
  { owner, kept },
  redis.call('HMGET', P .. 'workspace:' .. tenant .. '/' .. workspace, 'member', 'keep'),
}) do
  local id, isKept = holder[1], holder[2]
  if id and id ~= '' and id ~= self then
    local left = leftOf(id)
    if left > 0 or (isKept == '1' and fresh ~= '1') then return { 'elsewhere', id, string.format('%.0f', left), isKept } end
    former = id
  end
end
local used, wanted, ceilings = { 0, 0, 0, 0, 0 }, { 1 }, {}
for part in string.gmatch(usage, '%S+') do wanted[#wanted + 1] = tonumber(part) end
for part in string.gmatch(ARGV[9], '%S+') do ceilings[#ceilings + 1] = tonumber(part) or math.huge end
local u = P .. 'usage:' .. tenant
local entries = redis.call('HGETALL', u)
for at = 1, #entries, 2 do
  local values = {}
  for part in string.gmatch(entries[at + 1], '%S+') do values[#values + 1] = tonumber(part) end
  if values[1] <= now then redis.call('HDEL', u, entries[at])
  elseif entries[at] ~= session then
    used[1] = used[1] + 1
    for n = 2, 5 do used[n] = used[n] + values[n] end
  end
end
for n = 1, 5 do
  if used[n] + wanted[n] > ceilings[n] + 1e-6 then return { 'quota', string.format('%.0f', n - 1), tostring(used[n]) } end
end
if owner ~= self then epoch = redis.call('INCR', P .. 'epoch') end
place(tenant, session, workspace, self, epoch, keep, usage, former ~= '', '')
return { 'acquired', tostring(epoch), former }
`;

/** now, self, tenant, session, workspace, keep, epoch or 0, usage, sandbox -> [held, epoch] [lost, owner or ''] */
const RECLAIM = `
local self, tenant, session, workspace, epoch = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[7])
local owner, current = unpack(redis.call('HMGET', P .. 'placement:' .. tenant .. '/' .. session, 'owner', 'epoch'))
if owner and owner ~= self then return { 'lost', owner } end
if not owner then
  local member = redis.call('HGET', P .. 'workspace:' .. tenant .. '/' .. workspace, 'member')
  if member and member ~= self then return { 'lost', member } end
  local last = tonumber(redis.call('GET', P .. 'epoch') or 0)
  if epoch > last then redis.call('SET', P .. 'epoch', string.format('%.0f', epoch)) end
  current = epoch > 0 and string.format('%.0f', epoch) or tostring(redis.call('INCR', P .. 'epoch'))
end
place(tenant, session, workspace, self, current, ARGV[6], ARGV[8], false, ARGV[9])
return { 'held', current }
`;

/** now, self -> T/S/W of all placements of this member */
const OWNED = `
local owned = {}
local set = P .. 'sessions:' .. ARGV[2]
for _, name in ipairs(redis.call('SMEMBERS', set)) do
  local owner, workspace = unpack(redis.call('HMGET', P .. 'placement:' .. name, 'owner', 'workspace'))
  if owner == ARGV[2] then owned[#owned + 1] = name .. '/' .. workspace else redis.call('SREM', set, name) end
end
return owned
`;

/** now, self, tenant, session, epoch or 0: whichever, sandbox, 1: the workspace is kept -> 1: it was its own */
const RELEASE = `
local self, tenant, session, isKept = ARGV[2], ARGV[3], ARGV[4], ARGV[7]
local p = P .. 'placement:' .. tenant .. '/' .. session
redis.call('DEL', P .. 'sandbox:' .. ARGV[6])
local owner, epoch, workspace, moved = unpack(redis.call('HMGET', p, 'owner', 'epoch', 'workspace', 'moved'))
if owner ~= self or (ARGV[5] ~= '0' and epoch ~= ARGV[5]) then return 0 end
redis.call('SREM', P .. 'sessions:' .. self, tenant .. '/' .. session)
if moved then
  redis.call('HSET', p, 'owner', '')
  redis.call('HDEL', p, 'sandbox')
else redis.call('DEL', p) end
redis.call('HDEL', P .. 'usage:' .. tenant, session)
local w = P .. 'workspace:' .. tenant .. '/' .. workspace
if redis.call('HGET', w, 'member') == self then
  if isKept == '1' then
    redis.call('HSET', w, 'keep', 1)
    redis.call('PEXPIRE', w, ${WORKSPACE_MS})
  else redis.call('DEL', w) end
end
return 1
`;

/** now, self, T/W... -> those that lie elsewhere by now */
const BIND = `
local elsewhere = {}
for at = 3, #ARGV do
  local w = P .. 'workspace:' .. ARGV[at]
  local member = redis.call('HGET', w, 'member')
  if member and member ~= ARGV[2] then elsewhere[#elsewhere + 1] = ARGV[at]
  else
    redis.call('HSET', w, 'member', ARGV[2], 'keep', 1)
    redis.call('PEXPIRE', w, ${WORKSPACE_MS})
  end
end
return elsewhere
`;

export const PLACEMENT_SCRIPTS = {
  heartbeat: PRELUDE + HEARTBEAT,
  leave: PRELUDE + LEAVE,
  members: PRELUDE + MEMBERS,
  locate: PRELUDE + LOCATE,
  ownerOf: PRELUDE + OWNER_OF,
  acquire: PRELUDE + ACQUIRE,
  reclaim: PRELUDE + RECLAIM,
  owned: PRELUDE + OWNED,
  release: PRELUDE + RELEASE,
  bind: PRELUDE + BIND,
} as const;
export type PlacementScript = keyof typeof PLACEMENT_SCRIPTS;
