import pytest

from mixgan_lightning import networks
from mixgan_lightning.errors import ConfigurationError

OPTIONS = {
    "Encoder": {"num_classes": 10},
    "SGANGenerator": {"num_classes": 10},
    "SGANDiscriminator": {"num_classes": 10},
}
NAMES = ["DCGANGenerator", "DCGANDiscriminator", "ResNetGenerator", "ResNetDiscriminator", *OPTIONS]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [0, -1, 2.0])
def test_a_width_that_no_layer_can_have_is_refused_by_its_name(name, width):
    with pytest.raises(ConfigurationError, match=r"^width: expected a whole number of at least 1"):
        getattr(networks, name)((1, 16, 16), width=width, **OPTIONS.get(name, {}))
