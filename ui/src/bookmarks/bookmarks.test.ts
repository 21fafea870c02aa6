import { beforeEach, describe, expect, it } from 'vitest';

import { fakeBackend, type Fake } from '../../tests/fake';
import type { BookmarksView } from '../backend';
import { Bookmarks } from './bookmarks.svelte';

const target = { profileId: 'p', region: 'r', nodeId: 'i-1', nodeName: 'web-1' };
let fake: Fake;
let bookmarks: Bookmarks;

beforeEach(async () => {
  fake = await fakeBackend();
  bookmarks = new Bookmarks();
});
const saved = () => fake.of('bookmarksSave').at(-1)?.[0] as BookmarksView;

describe('bookmarks', () => {
  it('adds a favourite and takes it away again, whatever the node is called now', () => {
    bookmarks.toggle(target);
    expect(saved().nodes).toMatchObject([{ name: 'web-1', target, startAtLaunch: false }]);
    expect(bookmarks.isFavourite({ ...target, nodeName: 'renamed' })).toBe(true);
    bookmarks.toggle({ ...target, nodeName: 'renamed' });
    expect(saved().nodes).toEqual([]);
  });

  it('renames and moves, and keeps the rest', () => {
    const view: BookmarksView = {
      nodes: ['a', 'b'].map((id) => ({
        id,
        name: id,
        target: { ...target, nodeId: id },
        startAtLaunch: false,
      })),
      groups: ['Shop'],
      savedViews: [],
    };
    bookmarks.take(view);
    bookmarks.change('a', { name: 'first' });
    bookmarks.move('a', 1);
    expect(saved().nodes.map(({ name }) => name)).toEqual(['b', 'first']);
    expect(saved().groups).toEqual(['Shop']);
  });
});
