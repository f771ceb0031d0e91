import { expect, test } from 'vitest';
import { criticalT } from '../src/statistics/student.js';

test.each([
  // A printed table of Student's t.
  [1, 12.706],
  [2, 4.303],
  [4, 2.776],
  [19, 2.093],
  [30, 2.042],
  [120, 1.98],
  [1e9, 1.96],
])("Student's t with %d degrees of freedom", (degrees, t) => {
  expect(criticalT(degrees)).toBeCloseTo(t, 3);
});
