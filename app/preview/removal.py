"""Which layers are switched off: what the address or this session says, or else the furthest that is still good.

The sets that the slider goes through are the best plans of a search, or the paper's ranking before there is one.
"""

from app.dashboard.session import state
from app.preview.steps import Steps, usual
from app.words import Players, named, numbers
from cache.queries import StoredRun
from core.errors import SelectionError


def current(run: StoredRun, steps: Steps) -> tuple[int, ...]:
    """The removal on show: the address's, when a page is entered; else the session's; else the usual one.

    Raises:
        SelectionError: the address asks for what there is not; it stays as it is until something is chosen.
    """
    assert run.result is not None
    players = run.result.model.players
    if state.is_removal_asked():
        state.remove(run.run, _asked(players, steps))
    found = state.removal(run.run)
    if found is None:
        found = usual(run.result, steps)
        state.remove(run.run, found)
    state.show_removal(named(players, found, ","))
    return found


def _asked(players: Players, steps: Steps) -> tuple[int, ...]:
    """What the address switches off: the layers that it names (?remove=3,7), or the set of so many (?k=6).

    Raises:
        SelectionError: there are no such layers, or no set of so many.
    """
    names, count = state.removal_in_address(), state.count_in_address()
    if names is not None:
        return numbers(players, names)
    known = {"0": (), **{str(size): step.removed for size, step in steps.items()}}
    if count not in known:
        raise SelectionError(f"There is no set of k={count} layers to remove here.", f"There are: {', '.join(known)}.")
    return known[count]
