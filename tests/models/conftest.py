import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks this small spend their time waiting for a second thread, the more so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
