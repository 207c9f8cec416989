"""Other libraries that train the same nets, each as its own documentation has it done."""

from __future__ import annotations

__all__ = ["train_lightning", "train_pythae"]

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from agreement import SEED, check, checked_net, read_reference
from contestants import ENDLESS, LEARNING_RATE, Pace, Task, steps_of
from nets import Vae
from plain_mnist import images_of, loader_of
from torch import Tensor

# pythae halves the squared error.
SCALES = {"conv-vae": 2.0, "vae": 1.0}


def train_pythae(task: Task, pace: Pace, ready: Callable[[], None]) -> None:
    """Train by `BaseTrainer`, with a callback that holds it between epochs."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Paced(TrainingCallback):
        steps = 0

        def on_epoch_begin(self, training_config: Any, **_: Any) -> None:
            if self.steps:
                pace.end()
            self.steps = 0
            pace.begin()

        def on_train_step_end(self, training_config: Any, **_: Any) -> None:
            self.steps += 1
            if self.steps == steps_of(task):
                pace.trained()

    model = _pythae_model(task)
    data = BaseDataset(*images_of(Path(task.folder), task.images))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=task.batch_size,
            num_epochs=ENDLESS,
            learning_rate=LEARNING_RATE,
            no_cuda=not task.device.startswith("cuda"),
        )
        trainer = BaseTrainer(model, data, training_config=config, callbacks=[Paced()])
        ready()
        trainer.train()


def _pythae_model(task: Task) -> Any:
    """Return pythae's model around the plain net's layers, which has been seen to compute the same."""
    from pythae.models import VAE, BetaVAE, BetaVAEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    reference = read_reference(task.reference)
    net = checked_net(task.model, reference)

    class Encoder(BaseEncoder):
        def __init__(self, net: Vae) -> None:
            super().__init__()
            self.layers, self.head = net.encoder, net.head

        def forward(self, x: Tensor) -> Any:
            mean, logvar = self.head(self.layers(x)).chunk(2, -1)
            return ModelOutput(embedding=mean, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self, net: Vae) -> None:
            super().__init__()
            self.layers = net.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    shape: dict[str, Any] = {"input_dim": (1, 28, 28), "latent_dim": net.head.out_features // 2}
    if net.squared:
        config = BetaVAEConfig(**shape, reconstruction_loss="mse", beta=net.beta / 2)
        model = BetaVAE(config, Encoder(net), Decoder(net))
    else:
        model = VAE(VAEConfig(**shape, reconstruction_loss="bce"), Encoder(net), Decoder(net))
    torch.manual_seed(SEED)
    loss = model.train()({"data": reference.x}).loss
    parameters = [*model.encoder.layers.parameters(), *model.encoder.head.parameters(), *model.decoder.parameters()]
    check(reference, loss, parameters, scale=SCALES[task.model])
    return model


def train_lightning(task: Task, pace: Pace, ready: Callable[[], None]) -> None:
    """Train by `Trainer` on the hand-written loop's loader, with a callback that holds it between epochs."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self, net: Vae) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            return self.net.loss(batch[0])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE)

    class Paced(lightning.Callback):
        epochs = 0

        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            if self.epochs:
                pace.end()
            self.epochs += 1
            pace.begin()

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            pace.trained()

    reference = read_reference(task.reference)
    module = Module(checked_net(task.model, reference))
    loader = loader_of(Path(task.folder), task.images, task.batch_size, 0, task.device)
    trainer = lightning.Trainer(
        accelerator="gpu" if task.device.startswith("cuda") else "cpu",
        devices=1,
        max_epochs=ENDLESS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Paced()],
    )
    ready()
    trainer.fit(module, loader)
