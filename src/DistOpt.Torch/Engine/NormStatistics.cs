using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>The batch-norm layers of a module whose running statistics are to be measured anew. One thread at a time.</summary>
internal sealed class NormStatistics
{
    private readonly (NormBase Layer, double? Momentum)[] _layers;

    public NormStatistics(nn.Module module) =>
        _layers = [.. module.modules().OfType<NormBase>().Where(n => n.running_mean is not null).Select(n => (n, n.momentum))];

    /// <summary>Whether there is any.</summary>
    public bool Exist => _layers.Length > 0;

    /// <summary>Mean 0 and variance 1, from no batch.</summary>
    public void Reset()
    {
        foreach (var (layer, _) in _layers) layer.reset_running_stats();
    }

    /// <summary>Share of the next batch in the running statistics.</summary>
    public void SetMomentum(double momentum)
    {
        foreach (var (layer, _) in _layers) layer.momentum = momentum;
    }

    /// <summary>The share that each layer was made with.</summary>
    public void RestoreMomentum()
    {
        foreach (var (layer, momentum) in _layers) layer.momentum = momentum;
    }
}
