using DistOpt.Core.Randomness;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// libtorch's random generator, which is one for the whole process: whoever draws from it does so under this lock after seeding it with a
/// key, and leaves its state as it was.
/// </summary>
internal static class TorchGenerator
{
    private static readonly Lock Gate = new();

    /// <summary>Seeds the generator with the key for the calling thread alone, until the scope is disposed of.</summary>
    public static Scope Enter(RandomKey key)
    {
        var turn = Gate.EnterScope();
        var before = get_rng_state().DetachFromDisposeScope();
        manual_seed((long)key.Key);
        return new Scope(turn, before);
    }

    /// <summary>Whether <paramref name="action"/> draws from the generator, which it finds seeded with the key.</summary>
    public static bool Draws(RandomKey key, Action action)
    {
        using var turn = Enter(key);
        using var before = get_rng_state().DetachFromDisposeScope();
        action();
        using var after = get_rng_state().DetachFromDisposeScope();
        return !before.bytes.SequenceEqual(after.bytes);
    }

    internal ref struct Scope(Lock.Scope turn, Tensor before)
    {
        private Lock.Scope _turn = turn;

        public void Dispose()
        {
            set_rng_state(before);
            before.Dispose();
            _turn.Dispose();
        }
    }
}
