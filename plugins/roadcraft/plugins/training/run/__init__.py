"""One training run: settings, module, checkpoints, resume, processes, progress, model card."""
