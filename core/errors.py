"""Every error that Quorum raises on purpose, and nothing else.

    QuorumError
    ├── ModelError            the model cannot be found, read or taken apart
    │   ├── ModelNotFound
    │   ├── UnsafeWeights     pickle weights, code that would have to be executed, or names that leave the folder
    │   ├── NotCausal         an encoder, or an encoder-decoder
    │   ├── UnsupportedModel
    │   └── TooLarge          the weights need more memory than there is
    ├── CorpusError           the text cannot be found, read, or is too short
    ├── SelectionError        layers or strata that this model does not have
    ├── DeviceError           a device or dtype that this machine does not have
    ├── EvaluationError       the measured losses cannot be used
    ├── NotRecipe             a file that says nothing of which layers to remove from which model
    ├── ExportError           the pruned model could not be written, or is not the model that was measured
    ├── CacheError            the results file
    │   ├── CacheUnreadable   corrupt, or no DuckDB file at all
    │   ├── CacheTooNew
    │   ├── CacheBusy         held by another program
    │   ├── NotEvaluations    a file to import that holds something else
    │   └── RunNotFound
    ├── TaskError             a task of lm-eval, or its items, that cannot be had or asked
    ├── ClusterError          Ray is missing, or its machines do not answer or cannot measure
    ├── ToolError             another project's program, which Quorum calls, is missing or has failed
    ├── HealingError          peft is missing, or a training has no state to go on from, or an unusable one
    ├── NotAllowed            something of somebody else's, or too much at once, where people log in
    ├── LibraryPanic          a library written in Rust has given up in the middle
    ├── BadPath               a path that no system takes
    ├── NotWritable           a folder or file that may not be written
    └── DiskFull

Each message names the cause; `hint` says what the user can do next.
"""


class QuorumError(Exception):
    """An expected failure: `message` names the cause, `hint` the next step."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}"


class ModelError(QuorumError): ...


class ModelNotFound(ModelError): ...


class UnsafeWeights(ModelError): ...


class NotCausal(ModelError): ...


class UnsupportedModel(ModelError): ...


class TooLarge(ModelError): ...


class CorpusError(QuorumError): ...


class SelectionError(QuorumError): ...


class TargetMissed(SelectionError): ...


class DeviceError(QuorumError): ...


class PortTaken(QuorumError): ...


class EvaluationError(QuorumError): ...


class NotRecipe(QuorumError): ...


class NotScores(QuorumError): ...


class ExportError(QuorumError): ...


class CacheError(QuorumError): ...


class CacheUnreadable(CacheError): ...


class CacheTooNew(CacheError): ...


class CacheBusy(CacheError): ...


class NotEvaluations(CacheError): ...


class RunNotFound(CacheError): ...


class TaskError(QuorumError): ...


class ClusterError(QuorumError): ...


class ToolError(QuorumError): ...


class HealingError(QuorumError): ...


class NotAllowed(QuorumError): ...


class LibraryPanic(QuorumError): ...


class BadPath(QuorumError): ...


class NotWritable(QuorumError): ...


class DiskFull(QuorumError): ...
