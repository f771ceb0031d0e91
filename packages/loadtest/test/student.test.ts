import { expect, test } from 'vitest';
import { criticalT } from '../src/statistics/student.js';

test.each([
  // A printed table of Student's t.
  [1, 0.95, 12.706],
  [2, 0.95, 4.303],
  [4, 0.95, 2.776],
  [19, 0.95, 2.093],
  [30, 0.99, 2.75],
  [120, 0.9, 1.658],
  [1e9, 0.95, 1.96],
])("Student's t with %d degrees of freedom, %d", (degrees, confidence, t) => {
  expect(criticalT(degrees, confidence)).toBeCloseTo(t, 3);
});
