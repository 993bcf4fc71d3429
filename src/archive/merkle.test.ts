import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafHash, merkleProof, merkleRoot, rootFromProof } from './merkle.ts';

/** Leaves and roots that implementations of RFC 6962 (Certificate Transparency) share. */
const data = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].map((hex) =>
  Buffer.from(hex, 'hex').toString('latin1'),
);
const roots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
];

describe('the tree of leaves', () => {
  it.each(roots.map((root, at) => ({ leaves: at + 1, root })))(
    'of $leaves is that of RFC 6962',
    ({ leaves, root }) => {
      expect(merkleRoot(Buffer.concat(data.slice(0, leaves).map(leafHash))).toString('hex')).toBe(root);
    },
  );

  it('has a proof for each leaf that leads to its root, and from no other place', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), (size, chance) => {
        const hashes = Array.from({ length: size }, (_, at) => leafHash(`leaf ${at}`));
        const leaves = Buffer.concat(hashes);
        const index = chance % size;
        const path = merkleProof(leaves, index);
        const leaf = hashes[index] as Buffer;
        expect(rootFromProof(leaf, { index, size, path })).toEqual(merkleRoot(leaves));
        const other = (index + 1) % size;
        if (size > 1)
          expect(rootFromProof(leaf, { index: other, size, path })).not.toEqual(merkleRoot(leaves));
        expect(rootFromProof(leaf, { index, size, path: [...path, leaf] })).toBeNull();
      }),
    );
  });

  it('of nothing, or of half a leaf, is refused', () => {
    expect(() => merkleRoot(Buffer.alloc(0))).toThrow(/at least one leaf/);
    expect(() => merkleRoot(Buffer.alloc(40))).toThrow(/40 bytes/);
    expect(() => merkleProof(leafHash('a'), 1)).toThrow(/no leaf 1 among 1/);
  });
});
