"""Tables, and the numbered migrations that make them.

A migration, once released, never changes; a new one is appended. The file says how many it has had.
"""

from collections.abc import Callable

from duckdb import DuckDBPyConnection


def m001_games_evaluations_runs(connection: DuckDBPyConnection) -> None:
    """Evaluations belong to a game (weights, tokens, protocol, dtype), not to a run: all runs share them."""
    connection.execute("""
        CREATE TABLE games (
            game VARCHAR PRIMARY KEY,
            model VARCHAR NOT NULL,     -- JSON of core.types.ModelInfo
            protocol VARCHAR NOT NULL   -- JSON of core.types.Protocol
        );
        CREATE TABLE evaluations (
            game VARCHAR NOT NULL,
            mask VARCHAR NOT NULL,      -- '1' for a kept layer
            losses FLOAT[] NOT NULL,    -- mean NLL of each sequence, nats a token; may hold NaN and infinity
            PRIMARY KEY (game, mask)
        );
        CREATE TABLE runs (
            run VARCHAR PRIMARY KEY,
            game VARCHAR NOT NULL,
            spec VARCHAR NOT NULL,      -- JSON of core.types.RunSpec
            strata INTEGER[] NOT NULL,
            status VARCHAR NOT NULL,    -- running, cancelled, failed or finished
            message VARCHAR,            -- of the failure
            result VARCHAR,             -- JSON of core.results.RunResult, complete or so far
            started TIMESTAMP NOT NULL,
            changed TIMESTAMP NOT NULL
        );
    """)


def m002_precision(connection: DuckDBPyConnection) -> None:
    """What 16 bits cost is measured once for a game."""
    connection.execute("ALTER TABLE games ADD COLUMN precision VARCHAR")  # JSON of core.results.Precision


def m003_named_surrogates(connection: DuckDBPyConnection) -> None:
    """Results name the surrogate behind them. Older ones are estimated again, from evaluations that all stay."""
    connection.execute("""
        UPDATE runs SET status = 'cancelled', message = 'Estimated by an earlier release; resume it.'
        WHERE status = 'finished';
        UPDATE runs SET result = NULL;
    """)


def m004_divergences(connection: DuckDBPyConnection) -> None:
    """KL from the whole model's predictions, for those coalitions of which somebody asked it."""
    connection.execute("""
        CREATE TABLE divergences (
            game VARCHAR NOT NULL,
            mask VARCHAR NOT NULL,
            kl FLOAT[] NOT NULL,        -- of each sequence, nats a token
            PRIMARY KEY (game, mask)
        );
    """)


def m005_selections(connection: DuckDBPyConnection) -> None:
    """What searches found."""
    connection.execute("""
        CREATE TABLE selections (
            run VARCHAR NOT NULL,
            protected VARCHAR NOT NULL, -- layers, as a JSON array
            selection VARCHAR NOT NULL, -- JSON of core.choices.Selection
            changed TIMESTAMP NOT NULL,
            PRIMARY KEY (run, protected)
        );
    """)


def m006_comparisons(connection: DuckDBPyConnection) -> None:
    """How ours and the literature's methods compare, the last time that it was asked for a run."""
    connection.execute("""
        CREATE TABLE comparisons (
            run VARCHAR PRIMARY KEY,
            comparison VARCHAR NOT NULL -- JSON of core.choices.Comparison
        );
    """)


def m007_diagnostics(connection: DuckDBPyConnection) -> None:
    """How far surrogates can be trusted, mask by mask: beside the runs, so that a list of them stays light."""
    connection.execute("""
        CREATE TABLE diagnostics (
            run VARCHAR PRIMARY KEY,
            diagnostics VARCHAR NOT NULL -- JSON of core.diagnostics.Diagnostics
        );
    """)


def m008_scores(connection: DuckDBPyConnection) -> None:
    """What the literature's criteria say of the players of a run, the last time that it was asked."""
    connection.execute("""
        CREATE TABLE scores (
            run VARCHAR PRIMARY KEY,
            scores VARCHAR NOT NULL     -- JSON of core.scores.Scores
        );
    """)


def m009_texts(connection: DuckDBPyConnection) -> None:
    """How calibration sequences begin, so that a person can tell which is which; not known of older games."""
    connection.execute("""
        CREATE TABLE texts (
            fingerprint VARCHAR NOT NULL, -- of the model, whose tokenizer can read the tokens
            tokens VARCHAR NOT NULL,    -- fingerprint of the token ids
            texts VARCHAR NOT NULL,     -- JSON array, one for each of the first sequences
            PRIMARY KEY (fingerprint, tokens)
        );
    """)


def m010_owners(connection: DuckDBPyConnection) -> None:
    """Who started a run first, where people log in to the dashboard."""
    connection.execute("CREATE TABLE owners (run VARCHAR PRIMARY KEY, owner VARCHAR NOT NULL)")


def m011_imports(connection: DuckDBPyConnection) -> None:
    """Which evaluations came from which file: what was taken in can be told from what was measured, and taken out."""
    connection.execute("""
        CREATE TABLE imports (
            sha256 VARCHAR NOT NULL,    -- of the file
            game VARCHAR NOT NULL,
            name VARCHAR NOT NULL,      -- that the file had
            taken TIMESTAMP NOT NULL,
            PRIMARY KEY (sha256, game)
        );
        CREATE TABLE imported (
            game VARCHAR NOT NULL,
            mask VARCHAR NOT NULL,
            sha256 VARCHAR NOT NULL,    -- of the file that brought it
            PRIMARY KEY (game, mask)
        );
    """)


def m012_labels(connection: DuckDBPyConnection) -> None:
    """What people say of runs, and which of them they have put away."""
    connection.execute("""
        CREATE TABLE labels (
            run VARCHAR PRIMARY KEY,
            name VARCHAR NOT NULL DEFAULT '',
            note VARCHAR NOT NULL DEFAULT '',
            archived BOOLEAN NOT NULL DEFAULT false,
            deleted TIMESTAMP           -- since when it is shown no more, UTC
        );
    """)


def m013_findings(connection: DuckDBPyConnection) -> None:
    """What lists say of runs, whose results are large; it is found, and kept, when they are first listed without."""
    connection.execute("ALTER TABLE runs ADD COLUMN findings VARCHAR")  # JSON of core.records.results.Findings
    connection.execute("ALTER TABLE selections ADD COLUMN can_go INTEGER")  # layers, by `cache.going`


def m014_answers(connection: DuckDBPyConnection) -> None:
    """What models answered, item by item: an item is its tokens, so that no task measures another's again."""
    connection.execute("""
        CREATE TABLE answers (
            model VARCHAR NOT NULL,             -- weights, dtype and players
            mask VARCHAR NOT NULL,              -- '1' for a player who is there
            item VARCHAR NOT NULL,              -- digest of the tokens of its contexts and continuations
            likelihoods DOUBLE[] NOT NULL,      -- of its continuations, nats
            greedy BOOLEAN[] NOT NULL,          -- whether the likeliest tokens spell each
            PRIMARY KEY (model, mask, item)
        );
    """)


def m015_traits(connection: DuckDBPyConnection) -> None:
    """What plans are beside their perplexity; the same thing measured in the same way is there once."""
    connection.execute("""
        CREATE TABLE traits (
            model VARCHAR NOT NULL,             -- weights, dtype and players
            mask VARCHAR NOT NULL,              -- '1' for a player who is there
            kind VARCHAR NOT NULL,              -- by core.records.behaviour.traits
            measured_by VARCHAR NOT NULL,       -- how, in words
            record VARCHAR NOT NULL,            -- JSON of a record of that kind
            measured TIMESTAMP NOT NULL,        -- when, UTC
            PRIMARY KEY (model, mask, kind, measured_by)
        );
    """)


def m016_needs(connection: DuckDBPyConnection) -> None:
    """Which layers tasks need, by the coalitions of a run."""
    connection.execute("""
        CREATE TABLE needs (
            run VARCHAR NOT NULL,
            task VARCHAR NOT NULL,
            answers VARCHAR NOT NULL,           -- margin or accuracy
            kind VARCHAR NOT NULL,              -- of the values
            record VARCHAR NOT NULL,            -- JSON of core.records.behaviour.needs.TaskNeeds
            PRIMARY KEY (run, task, answers, kind)
        );
    """)


def m017_compensated(connection: DuckDBPyConnection) -> None:
    """Which plans are best after compensation, by the finalists of a run's searches."""
    connection.execute("""
        CREATE TABLE compensated (
            run VARCHAR NOT NULL,
            protected VARCHAR NOT NULL,         -- JSON, places of players
            how VARCHAR NOT NULL,               -- scale or refit
            judged VARCHAR NOT NULL,            -- fingerprints of the windows that judge, those of the search,
            fitted VARCHAR NOT NULL,            -- and of those of the fits
            record VARCHAR NOT NULL,            -- JSON of core.records.mends.CompensatedPlans
            changed TIMESTAMP NOT NULL,
            PRIMARY KEY (run, protected, how, judged, fitted)
        );
    """)


MIGRATIONS: tuple[Callable[[DuckDBPyConnection], None], ...] = (
    m001_games_evaluations_runs,
    m002_precision,
    m003_named_surrogates,
    m004_divergences,
    m005_selections,
    m006_comparisons,
    m007_diagnostics,
    m008_scores,
    m009_texts,
    m010_owners,
    m011_imports,
    m012_labels,
    m013_findings,
    m014_answers,
    m015_traits,
    m016_needs,
    m017_compensated,
)
