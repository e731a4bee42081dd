"""Linear algebra on one thread, where matrices are of a few hundred rows.

They are factored thousands of times in a fit. Several threads would wait for each other most of that time, the more,
the busier the machine and the more processors it has; and sums would depend on how many there are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import scipy.linalg  # noqa: F401 - its library must be there to be bounded
from threadpoolctl import ThreadpoolController

_LIBRARIES = ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """While the block runs, the BLAS of numpy and scipy has one thread."""
    with _LIBRARIES.limit(limits=1, user_api="blas"):
        yield
