"""Whether samples of a label look like it."""

from __future__ import annotations

__all__ = ["LabelAccuracy"]

from typing import final

from zoo import Classifier, Measure, Metric, SampleOptions, Subject, Unjudged, ZooError, given
from zoo_samples.options import LabelAccuracyOptions
from zoo_samples.seen import finite


@final
class LabelAccuracy(Metric):
    """Share of samples, drawn for each label in turn, that a classifier of the data takes for that label.

    The classifier is that of `frechet`, trained on the training images. Its own `accuracy`, on test images, is about
    what the images themselves would get. `worst` is the share of the label that does worst, `worst_label`.
    """

    def __init__(self, options: LabelAccuracyOptions, subject: Subject) -> None:
        self.samples = options.samples
        self.label = options.label
        self.subject = subject

    def compute(self) -> Measure:
        try:
            classifier = self.subject.classifier(self.label)
            # A model that is told another label says so, and one that is told none stays what it is.
            if given(self.subject.model, {self.label: classifier.labels}) is self.subject.model:
                return Measure(None, "the model is told no labels; train it with --condition label")
            shares = {label: self._share(classifier, label) for label in classifier.labels.tolist()}
        except (Unjudged, ZooError) as reason:
            return Measure(None, str(reason))
        worst = min(shares, key=lambda label: shares[label])
        details = {
            "samples": self.samples * len(shares),
            "accuracy": classifier.accuracy,
            "worst": shares[worst],
            "worst_label": float(worst),
        }
        return Measure(sum(shares.values()) / len(shares), details=details)

    def _share(self, classifier: Classifier, label: int) -> float:
        drawn = finite(self.subject.drawn(self.samples, SampleOptions(label=label)))
        return sum(int((classifier.classify(x) == label).sum()) for x in drawn) / self.samples
