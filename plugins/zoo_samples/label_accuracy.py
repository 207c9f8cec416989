"""Whether samples of a label look like it."""

from __future__ import annotations

__all__ = ["LabelAccuracy"]

from typing import final

from zoo import Measure, Metric, SampleOptions, Subject, ZooError, given
from zoo_samples.classifier import Classifier, LabelledImages, Unjudged, finite, train_classifier
from zoo_samples.options import LabelAccuracyOptions


@final
class LabelAccuracy(Metric):
    """Share of samples, drawn for each label in turn, that a classifier of the data takes for that label.

    The classifier is that of `frechet`: trained on every other test image. Its own `accuracy`, on the rest, is about
    what the images themselves would get. `worst` is the share of the label that does worst, `worst_label`.
    """

    def __init__(self, options: LabelAccuracyOptions, subject: Subject) -> None:
        self.samples = options.samples
        self.label = options.label
        self.subject = subject
        self.images = LabelledImages(options.label, options.images)

    def compute(self) -> Measure:
        for batch in self.subject.test():
            self.images.add(batch)
        try:
            learnt, held = self.images.split()
            # A model that is told another label says so, and one that is told none stays what it is.
            if given(self.subject.model, {self.label: learnt[1]}) is self.subject.model:
                return Measure(None, "the model is told no labels; train it with --condition label")
            classifier = train_classifier(*learnt)
            shares = {label: self._share(classifier, label) for label in classifier.labels.tolist()}
        except (Unjudged, ZooError) as reason:
            return Measure(None, str(reason))
        worst = min(shares, key=lambda label: shares[label])
        details = {
            "samples": self.samples * len(shares),
            "accuracy": classifier.accuracy(*held),
            "worst": shares[worst],
            "worst_label": float(worst),
        }
        return Measure(sum(shares.values()) / len(shares), details=details)

    def _share(self, classifier: Classifier, label: int) -> float:
        drawn = finite(self.subject.drawn(self.samples, SampleOptions(label=label)))
        return sum(int((classifier.classify(x) == label).sum()) for x in drawn) / self.samples
