"""Each page as a notebook: its prose with the computed values, its code as cells, nothing else."""
