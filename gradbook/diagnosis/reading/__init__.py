"""Read what is handed over: arrays of any framework, files of tensors, logs of norms."""
