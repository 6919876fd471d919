"""The code location, loaded in this process."""

import warnings

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository


def loaded_definitions() -> dg.Definitions:
    """All definitions; loading them takes seconds, so that `--help` and wrong usage must come before."""
    _ignore_warnings()
    from pipeline_platform.definitions import defs

    loaded = defs()
    return loaded if isinstance(loaded, dg.Definitions) else loaded.load()


def loaded_repository(recipe: ReconstructableRepository) -> dg.RepositoryDefinition:
    """The definitions of a code location, as another process told how to find them."""
    _ignore_warnings()
    return recipe.get_definition()


def repository_recipe() -> ReconstructableRepository:
    """How another process finds this code location."""
    return ReconstructableRepository.for_module("pipeline_platform.definitions", "defs")


def job_recipe(name: str) -> ReconstructableJob:
    """How another process finds the job `name` of this code location."""
    return repository_recipe().get_reconstructable_job(name)


def _ignore_warnings() -> None:
    # They are about parameters of Dagster that we chose to use; nobody who runs a command can act on them.
    for category in (dg.BetaWarning, dg.PreviewWarning):
        warnings.simplefilter("ignore", category)
