using DistOpt.Core.Specs;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Tests.Engine;

namespace DistOpt.Torch.Tests.Losses;

/// <summary>Losses beside the data of a job, as it is opened.</summary>
[Collection(EngineCollection.Name)]
public sealed class LossDataTests
{
    public static TheoryData<string> Names => [.. LossCatalog.Create().Entries.Select(e => e.Name)];

    /// <summary>Three classes, a score for each: what does not fit is the spec's fault, not the model's.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void On_data_with_classes_every_loss_opens_or_is_refused_by_name(string name)
    {
        var entry = LossCatalog.Create().Entries.Single(e => e.Name == name);
        var spec = TestJobs.Mlp() with { Loss = new PluginSpec(name, Activator.CreateInstance(entry.OptionsType)) };
        if (name is "cross-entropy" or "hinge")
        {
            using var opened = TestJobs.Open(spec);
            return;
        }
        var violation = Assert.Single(Assert.Throws<SpecException>(() => TestJobs.Open(spec)).Violations);
        if (name == "nll")
        {
            Assert.Equal("loss.input", violation.Path);
            return;
        }
        Assert.Equal("loss.kind", violation.Path);
        Assert.Equal($"is {name}, which compares values one by one, but the targets are class indices, [8], and the model gives [8, 3]; "
            + "use cross-entropy or hinge, or a model with one score for each sample", violation.Message);
    }
}
