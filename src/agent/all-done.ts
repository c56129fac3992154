/** Takes several steps at once. @param done whether all of them were complete, when the last has answered */
export function allDone(
  steps: readonly ((answered: (complete: boolean) => void) => void)[],
  done: (complete: boolean) => void,
): void {
  let open = steps.length;
  let all = true;
  for (const step of steps)
    step((complete) => {
      open -= 1;
      all &&= complete;
      if (open === 0) done(all);
    });
}
