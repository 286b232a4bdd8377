import { describe, expect, it } from 'vitest';
import { containingMount, mountsUnder, parseMountInfo, topMountAt } from '../../../daemon/workspace/mount-table.ts';

const TABLE = parseMountInfo(
  [
    '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
    '40 27 0:39 / /state/pool rw,nosuid,nodev,noatime shared:5 - btrfs /dev/loop0 rw,subvol=/',
    '41 40 0:40 / /state/pool ro,nosuid master:2 propagate_from:1 - tmpfs cloister rw,size=4k',
    String.raw`42 27 0:41 /a\040b /state/pool\011\134x rw,relatime - tmpfs some\040name rw`,
    '43 27 0:42 / /state2 rw - tmpfs t rw',
    'not a mount',
    '',
  ].join('\n'),
);

describe('the mount table', () => {
  it('is read with its escapes, optional fields and options', () => {
    expect(TABLE).toHaveLength(5);
    expect(TABLE[1]).toEqual({
      id: 40,
      parentId: 27,
      device: '0:39',
      root: '/',
      target: '/state/pool',
      flags: ['rw', 'nosuid', 'nodev', 'noatime'],
      isShared: true,
      fsType: 'btrfs',
      source: '/dev/loop0',
      superOptions: ['rw', 'subvol=/'],
    });
    expect(TABLE[2]?.isShared).toBe(false);
    expect(TABLE[3]).toMatchObject({ root: '/a b', target: '/state/pool\t\\x', source: 'some name' });
  });

  it('names the topmost of stacked mounts', () => {
    expect(topMountAt(TABLE, '/state/pool')?.id).toBe(41);
    expect(topMountAt([...TABLE].reverse(), '/state/pool')?.id).toBe(41);
    expect(topMountAt(TABLE, '/state')).toBeUndefined();
  });

  it('does not take a path for a parent because its name begins alike', () => {
    expect(mountsUnder(TABLE, '/state').map(({ id }) => id)).toEqual([40, 41, 42]);
    expect(containingMount(TABLE, '/state/pool/ws/x')?.id).toBe(41);
    expect(containingMount(TABLE, '/state/poolish')?.id).toBe(27);
  });
});
