using DistOpt.Core.Training;

namespace DistOpt.Torch;

/// <summary>
/// The ambient source of counter-based randomness for layers (dropout, noise) during a step's forward pass. A layer's draws are a function
/// of (seed, epoch, step, layer, sample position) alone, so a gradient shard has the same bits whoever computes it.
/// <code>
/// var random = LayerRandom.Current;              // null outside a step: draw as you like
/// int layer = random.NextLayer();                // one number for each call of a layer, in forward order
/// // row r of the batch: key its stream by (random.Seed, random.Epoch, random.Step, layer, random.FirstPosition + r)
/// </code>
/// </summary>
public sealed class LayerRandom
{
    [ThreadStatic]
    private static LayerRandom? _current;

    private int _layers;

    internal LayerRandom() { }

    /// <summary>The context of the step that runs on this thread, or null.</summary>
    public static LayerRandom? Current => _current;

    /// <summary>The job's seed.</summary>
    public long Seed { get; private set; }

    public int Epoch { get; private set; }

    public long Step { get; private set; }

    public bool Training { get; private set; }

    public DataSplit Split { get; private set; }

    /// <summary>Position of the batch's row 0 in the epoch's order; row r has <c>FirstPosition + r</c>.</summary>
    public long FirstPosition { get; private set; }

    /// <summary>Rows of the batch.</summary>
    public int Rows { get; private set; }

    /// <summary>
    /// A number for one application of a random layer: 0, 1, 2, ... in the order of the forward pass, beginning anew for each batch. A
    /// layer that is applied twice draws twice.
    /// </summary>
    public int NextLayer() => _layers++;

    /// <summary>Makes this the current context of the thread for one forward pass.</summary>
    internal Scope Enter(long seed, int epoch, long step, bool training, DataSplit split, long firstPosition, int rows)
    {
        (Seed, Epoch, Step, Training, Split, FirstPosition, Rows) = (seed, epoch, step, training, split, firstPosition, rows);
        _layers = 0;
        var before = _current;
        _current = this;
        return new Scope(before);
    }

    internal readonly ref struct Scope(LayerRandom? before)
    {
        public void Dispose() => _current = before;
    }
}
