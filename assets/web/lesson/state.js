// State: the lesson's value, where the reader is, and what was answered.

/** @type {LessonState} */
export const lesson = {
  value: /** @type {LessonValue} */ (/** @type {unknown} */ (null)), // once it is here
  sides: {}, // the sides of the run, by name
  step: 1, phase: 'read', // read: the text, then a pause; move: the quick action; act: what the step asks
  answers: {}, // per step what the reader did: {patch, number}, {guess}, {picks}, {reached} or {choice}
  shown: false, // whether the answer is revealed: in front of a class only when asked for
  free: false, presenting: false,
  stop: () => {}, // the quick action that goes on
  drawn: null, // the prediction on the page
};

export const stepNow = () => lesson.value.steps[lesson.step - 1];
export const answerNow = () => lesson.answers[lesson.step];
export const isAnswered = () => answerNow() !== undefined && lesson.shown;
