using TorchSharp;

namespace DistOpt.Torch.Tests.Native;

public class TorchLoadsTests
{
    [Fact]
    public void Torch_loads_and_computes_with_the_build_output_of_a_project_that_references_DistOpt_Torch()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Equal(4f, torch.ones(2, 2).sum().item<float>());
    }
}
