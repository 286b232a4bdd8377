#include "file-regex.h"

#include <string.h>

#include "frame.h"

enum { INSTRUCTION_BYTES = 8, PROGRAM_HEADER = 4, SLOTS = 2 * MAX_STATES, PAUSE_AFTER = 32 * 1024 };
enum { BEFORE_BEGIN = 1, BEFORE_WORD = 2 };
enum { NEXT_UNKNOWN = 0, NEXT_MATCH = 1, NEXT_FIRST = 2 }; /* a transition: state + NEXT_FIRST */

struct set { /* of instructions, in the order they were added */
  uint16_t count;
  uint16_t members[MAX_INSTRUCTIONS];
  uint16_t place[MAX_INSTRUCTIONS];
};
static struct set build, after; /* one worker, one build at a time */

struct tables { /* in the lent memory, before the lists */
  struct regex_state states[MAX_STATES];
  uint16_t slots[SLOTS]; /* hash table of states + 1 */
};

static struct tables *tables_of(const struct regex *regex) { return (struct tables *)(void *)regex->memory; }

static const uint8_t *instruction(const struct regex *regex, uint16_t pc) {
  return regex->code + (size_t)pc * INSTRUCTION_BYTES;
}

static bool set_add(struct set *set, uint16_t pc) {
  uint16_t place = set->place[pc];
  if (place < set->count && set->members[place] == pc) return false;
  set->place[pc] = set->count;
  set->members[set->count++] = pc;
  return true;
}

static bool holds(uint8_t kind, uint8_t before, int byte) {
  if (kind == ASSERT_BEGIN) return (before & BEFORE_BEGIN) != 0;
  if (kind == ASSERT_END) return byte < 0;
  unsigned at = (unsigned)byte;
  bool is_word = byte >= 0 && ((at | 0x20) - 'a' < 26u || at - '0' < 10u || at == '_');
  if (kind == ASSERT_NO_WORD && byte >= 0 && (at & 0xc0) == 0x80) return false; /* inside a character of UTF-8 */
  return (is_word != ((before & BEFORE_WORD) != 0)) == (kind == ASSERT_WORD);
}

/* `pc` and all that it leads to without a byte. An assertion is taken where `is_known` says what is around it, and
 * else left in the set for the next byte to decide. */
static void set_close(const struct regex *regex, struct set *set, uint16_t pc, bool is_known, uint8_t before, int byte) {
  uint16_t done = set->count;
  if (!set_add(set, pc)) return;
  for (; done < set->count; done++) {
    const uint8_t *at = instruction(regex, set->members[done]);
    if (at[0] == REGEX_SPLIT) {
      set_add(set, get_u16(at + 4));
      set_add(set, get_u16(at + 6));
    } else if (at[0] == REGEX_ASSERT && is_known && holds(at[1], before, byte)) {
      set_add(set, get_u16(at + 4));
    }
  }
}

static void forget_states(struct regex *regex) {
  regex->flushes++;
  memset(tables_of(regex)->slots, 0, sizeof tables_of(regex)->slots);
  regex->states = 0;
  regex->used = sizeof(struct tables);
}

/* Each state has its transitions, then its instructions. */
static uint16_t *transitions(const struct regex *regex, uint32_t state) {
  uint32_t list = tables_of(regex)->states[state].list;
  return (uint16_t *)(void *)(regex->memory + list - regex->classes * sizeof(uint16_t));
}

static bool is_same(const struct regex *regex, const struct regex_state *state, const uint16_t *list, uint16_t count,
                    uint8_t before) {
  return state->count == count && state->before == before &&
         memcmp(regex->memory + state->list, list, count * sizeof *list) == 0;
}

/* The state of what stands in `build`; a new one costs its room, and all others if there is none left. */
static uint32_t state_of(struct regex *regex, uint8_t before) {
  static uint16_t list[MAX_INSTRUCTIONS];
  struct tables *tables = tables_of(regex);
  uint16_t count = 0;
  uint32_t hash = 2166136261u + before;
  bool is_match = false;
  for (uint16_t i = 0; i < build.count; i++) {
    uint8_t op = instruction(regex, build.members[i])[0];
    if (op == REGEX_SPLIT) continue;
    if (op == REGEX_MATCH) is_match = true;
    list[count++] = build.members[i];
    hash = (hash ^ build.members[i]) * 16777619u;
  }
  uint32_t slot = hash % SLOTS;
  for (; tables->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
    uint32_t known = tables->slots[slot] - 1u;
    if (is_same(regex, &tables->states[known], list, count, before)) return known;
  }
  uint32_t row = regex->classes * (uint32_t)sizeof(uint16_t);
  uint32_t room = (row + count * (uint32_t)sizeof(uint16_t) + 3u) & ~3u;
  if (regex->states == MAX_STATES || regex->used + room > REGEX_BYTES) {
    forget_states(regex);
    slot = hash % SLOTS;
  }
  uint32_t made = regex->states++;
  memset(regex->memory + regex->used, 0, row);
  memcpy(regex->memory + regex->used + row, list, count * sizeof *list);
  tables->slots[slot] = (uint16_t)(made + 1);
  tables->states[made] = (struct regex_state){.list = regex->used + row, .count = count, .before = before, .is_match = is_match};
  regex->used += room;
  return made;
}

/* What follows a state on a byte, or on -1: the end of the line. */
static uint32_t follow(struct regex *regex, uint32_t from, int byte) {
  const struct regex_state *state = &tables_of(regex)->states[from];
  const uint16_t *list = (const uint16_t *)(void *)(regex->memory + state->list);
  build.count = 0;
  after.count = 0;
  for (uint16_t i = 0; i < state->count; i++) set_close(regex, &after, list[i], true, state->before, byte);
  for (uint16_t i = 0; i < after.count; i++) {
    const uint8_t *at = instruction(regex, after.members[i]);
    if (at[0] == REGEX_MATCH) return NEXT_MATCH;
    if (at[0] == REGEX_RANGE && byte >= at[1] && byte <= at[2]) set_close(regex, &build, get_u16(at + 4), false, 0, 0);
  }
  regex->work += 1u + after.count + build.count;
  uint8_t before = BEFORE_BEGIN;
  if (byte < 0) build.count = 0;
  else before = regex->has_word && holds(ASSERT_WORD, 0, byte) ? BEFORE_WORD : 0;
  set_close(regex, &build, 0, false, 0, 0); /* a match may begin anywhere */
  uint32_t next = state_of(regex, before);
  return tables_of(regex)->states[next].is_match ? NEXT_MATCH : next + NEXT_FIRST;
}

static void make_classes(struct regex *regex) {
  bool is_edge[257] = {false};
  is_edge['\n'] = is_edge['\n' + 1] = true;
  for (uint16_t pc = 0; pc < regex->count; pc++) {
    const uint8_t *at = instruction(regex, pc);
    if (at[0] == REGEX_RANGE) is_edge[at[1]] = is_edge[at[2] + 1] = true;
    if (at[0] != REGEX_ASSERT || at[1] < ASSERT_WORD) continue;
    regex->has_word = true;
    is_edge[0x80] = is_edge[0xc0] = true;
    for (int byte = 1; byte < 256; byte++) {
      if (holds(ASSERT_WORD, 0, byte) != holds(ASSERT_WORD, 0, byte - 1)) is_edge[byte] = true;
    }
  }
  uint32_t class = 0;
  for (int byte = 0; byte < 256; byte++) {
    if (byte > 0 && is_edge[byte]) class++;
    regex->class_of[byte] = (uint8_t)class;
  }
  regex->classes = class + 1;
}

static bool is_sound(const struct regex *regex) {
  for (uint16_t pc = 0; pc < regex->count; pc++) {
    const uint8_t *at = instruction(regex, pc);
    bool has_y = at[0] == REGEX_SPLIT;
    if (at[0] > REGEX_ASSERT || at[3] != 0 || (at[0] == REGEX_ASSERT && at[1] > ASSERT_NO_WORD)) return false;
    if (at[0] == REGEX_RANGE && (at[1] > at[2] || (at[1] <= '\n' && at[2] >= '\n'))) return false;
    if ((at[0] != REGEX_MATCH && get_u16(at + 4) >= regex->count) || (has_y && get_u16(at + 6) >= regex->count)) return false;
  }
  return true;
}

bool regex_open(struct regex *regex, const uint8_t *program, size_t bytes, uint8_t *memory) {
  if (bytes < PROGRAM_HEADER) return false;
  *regex = (struct regex){.flags = program[0], .literal_bytes = program[1], .count = get_u16(program + 2),
                          .literal = program + PROGRAM_HEADER, .memory = memory};
  regex->code = regex->literal + regex->literal_bytes;
  bool is_whole = (regex->flags & REGEX_LITERAL) != 0;
  if (bytes != PROGRAM_HEADER + regex->literal_bytes + (size_t)regex->count * INSTRUCTION_BYTES) return false;
  if (is_whole != (regex->count == 0) || (is_whole && regex->literal_bytes == 0)) return false;
  if (memchr(regex->literal, '\n', regex->literal_bytes) != NULL) return false;
  if (regex->count > MAX_INSTRUCTIONS || (regex->flags & ~(REGEX_FOLD | REGEX_LITERAL)) != 0 || !is_sound(regex)) return false;
  if (is_whole) return true;
  make_classes(regex);
  forget_states(regex);
  return true;
}

static uint32_t begin(struct regex *regex) {
  build.count = 0;
  set_close(regex, &build, 0, false, 0, 0);
  return state_of(regex, BEFORE_BEGIN);
}

/* Keeps what it found out, unless all states were thrown away meanwhile. */
static uint32_t step(struct regex *regex, uint32_t from, uint8_t byte) {
  uint32_t flushes = regex->flushes;
  uint32_t next = follow(regex, from, byte == '\n' ? -1 : byte);
  if (regex->flushes == flushes) transitions(regex, from)[regex->class_of[byte]] = (uint16_t)next;
  return next;
}

__attribute__((optimize("O2"))) int regex_scan(struct regex *regex, uint32_t *state, const uint8_t *text, size_t *at,
                                               size_t end) {
  size_t i = *at;
  uint32_t now = *state == 0 ? begin(regex) : *state - 1;
  if (tables_of(regex)->states[now].is_match) return SCAN_MATCH;
  const uint16_t *row = transitions(regex, now);
  while (i < end && regex->work < PAUSE_AFTER) {
    uint32_t next = row[regex->class_of[text[i]]];
    if (next == NEXT_UNKNOWN) next = step(regex, now, text[i]);
    if (next == NEXT_MATCH) {
      *at = i;
      return SCAN_MATCH;
    }
    i++;
    now = next - NEXT_FIRST;
    row = transitions(regex, now);
  }
  *state = now + 1;
  *at = i;
  return i < end ? SCAN_PAUSE : SCAN_NONE;
}

typedef uint8_t block __attribute__((vector_size(16), aligned(1), may_alias));

static uint8_t fold_of(const struct regex *regex, size_t at) {
  return (regex->flags & REGEX_FOLD) != 0 && (unsigned)regex->literal[at] - 'a' < 26u ? 0x20 : 0;
}

static bool stands_at(const struct regex *regex, const uint8_t *text) {
  if ((regex->flags & REGEX_FOLD) == 0) return memcmp(text, regex->literal, regex->literal_bytes) == 0;
  for (size_t i = 0; i < regex->literal_bytes; i++) {
    if ((text[i] | fold_of(regex, i)) != regex->literal[i]) return false;
  }
  return true;
}

/* Sixteen places at once: only where the first and the last byte are right is the rest compared. */
__attribute__((optimize("O2"))) size_t regex_find_literal(const struct regex *regex, const uint8_t *text, size_t at, size_t end) {
  size_t length = regex->literal_bytes;
  if (length == 0) return at;
  if (end - at < length) return end;
  size_t stop = end - length + 1; /* places before it have room */
  const block first = regex->literal[0] + (block){0};
  const block last = regex->literal[length - 1] + (block){0};
  const block first_fold = fold_of(regex, 0) + (block){0};
  const block last_fold = fold_of(regex, length - 1) + (block){0};
  while (at < stop) {
    size_t places = stop - at;
    if (places >= sizeof(block)) {
      places = sizeof(block);
      uint64_t hits[2];
      const block a = *(const block *)(const void *)(text + at);
      const block b = *(const block *)(const void *)(text + at + length - 1);
      block hit = (block)((a | first_fold) == first) & (block)((b | last_fold) == last);
      memcpy(hits, &hit, sizeof hits);
      if ((hits[0] | hits[1]) == 0) {
        at += places;
        continue;
      }
    }
    for (; places > 0; places--, at++) {
      if (stands_at(regex, text + at)) return at;
    }
  }
  return end;
}

bool regex_ends(struct regex *regex, uint32_t state) {
  uint32_t now = state == 0 ? begin(regex) : state - 1;
  return tables_of(regex)->states[now].is_match || follow(regex, now, -1) == NEXT_MATCH;
}
