import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)  # the pictures are tiny: more threads only wait for each other
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the code
settings.load_profile("patient")
