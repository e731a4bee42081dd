"""A choice of layers in the forms in which other tools, and other machines, take it."""

import streamlit as st

from app.foreign import plain
from app.words import named
from cache.queries import StoredRun
from core.errors import SelectionError
from core.export.formats import evopress, llama_quantize, mergekit, whole_layers
from core.export.recipes.recipe import COMMAND, recipe
from core.records.results import RunResult

# Not highlighted: half of the colours that Streamlit gives code cannot be read on its paper. Wrapped: what scrolls
# sideways is out of the keyboard's reach.
PLAIN = None


def show_recipes(run: StoredRun, result: RunResult, removed: tuple[int, ...]) -> None:
    """Quorum's own recipe with its commands, and the files of other tools."""
    model = result.model
    st.header("The recipe")
    st.markdown("What was removed, how that was found, and the commands that do it again: here, and on any machine.")
    st.code(
        f"python -m app export {run.run} --remove {named(model.players, removed, ',')} --out DIR\n{COMMAND}",
        language=PLAIN,
        wrap_lines=True,
    )
    text = recipe(result, run.resolved, removed)
    st.download_button("Download recipe.json", lambda: text, f"recipe-{run.run}.json", "application/json")
    st.header("For mergekit, llama.cpp and EvoPress")
    try:
        whole = whole_layers(model, removed)
    except SelectionError as error:
        st.info(f"{plain(error.message)} {plain(error.hint)}")
    else:
        yaml = mergekit(model, whole)
        st.code(yaml, language=PLAIN, wrap_lines=True)
        st.download_button("Download mergekit.yaml", lambda: yaml, f"mergekit-{run.run}.yaml", "text/yaml")
        st.code(llama_quantize(model, whole), language=PLAIN, wrap_lines=True)
    st.download_button(
        "Download evopress.txt",
        lambda: evopress(model, removed),
        f"evopress-{run.run}.txt",
        "text/plain",
        help="A line for each layer, as EvoPress reads its file of dropped layers",
    )
