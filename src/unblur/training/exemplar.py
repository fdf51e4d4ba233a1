"""The objective of a network that is guided by a sharp picture of something else.

Source: Xiang et al. (IEEE TIP 2020). Decided: the exemplar of a crop is the truth of the crop before it in the batch, where the source takes frames of another clip; the first
truth of the last step becomes the exemplar that belongs to the weights.
"""

from unblur.errors import InputError
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.supervised import TakesExemplar
from unblur.training.batch import Batch
from unblur.training.content import Objective, StepOutput, compare
from unblur.training.recipe import ExemplarKeys, Recipe

__all__ = ["ExemplarObjective"]


class ExemplarObjective(Objective):
    """A weighted sum of the losses that the recipe names, of what is restored with exemplars.

    Raises:
        InputError: if the network takes no exemplars, or, in a step, if a process has a single crop, whose exemplar would be its own truth.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, TakesExemplar):
            raise InputError(f"`{recipe.model}` takes no exemplars; train it with `objective: {{kind: content}}`")
        assert isinstance(recipe.objective, ExemplarKeys)
        self._weights = recipe.objective.loss

    def forward(self, batch: Batch, step: int) -> StepOutput:  # noqa: ARG002 (others depend on the step)
        net = self.net
        assert isinstance(net, TakesExemplar)
        sharp = batch.truth
        if len(sharp) < 2:
            raise InputError(
                "`objective.kind: exemplar` needs two crops or more for each process and part of a step; raise `batch` or lower `accumulate`"
            )
        restored = net.restore_with(batch.blurry, sharp.roll(1, 0))
        net.keep_exemplar(sharp[0])
        return StepOutput(compare([restored], sharp, weights=self._weights), restored)
