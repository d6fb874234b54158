"""What is to be done in the model's thread between its steps, such as to free memory."""

import traceback
from collections import deque
from collections.abc import Callable

Chore = Callable[[], object]


class Chores:
    """What other threads have left to be done, in its order."""

    def __init__(self) -> None:
        self._left: deque[Chore] = deque()

    def __bool__(self) -> bool:
        return bool(self._left)

    def add(self, chore: Chore) -> None:
        """Have something done next time."""
        self._left.append(chore)

    def do(self) -> None:
        """All that is left to be done; what fails is no reason to stop anybody."""
        while self._left:
            try:
                self._left.popleft()()
            except Exception:
                traceback.print_exc()
