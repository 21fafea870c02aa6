import { describe, expect, it } from 'vitest';

import { leaf, leaves, resized, split, without, type Split } from './tree';

const target = { profileId: 'p', region: 'r', nodeId: 'i-1', nodeName: 'web-1' };
const one = leaf('1', target);
const two = split(one, '1', 'right', leaf('2', target));
const three = split(two, '2', 'down', leaf('3', target));
const ids = (tree: Parameters<typeof leaves>[0]) => leaves(tree).map(({ id }) => id);

describe('tree of panes', () => {
  it('splits where it is asked', () => {
    expect(ids(three)).toEqual(['1', '2', '3']);
    expect(three).toMatchObject({ direction: 'right', second: { direction: 'down' } });
  });

  it('gives the room of a closed pane to its neighbour', () => {
    expect(without(three, '2')).toMatchObject({ kind: 'split', first: { id: '1' }, second: { id: '3' } });
    expect(without(one, '1')).toBeNull();
    expect(without(three, 'other')).toBe(three);
  });

  it('changes one share only', () => {
    const inner = (three as Split).second as Split;
    expect(resized(three, inner, 30)).toMatchObject({ ratioPercent: 50, second: { ratioPercent: 30 } });
  });
});
