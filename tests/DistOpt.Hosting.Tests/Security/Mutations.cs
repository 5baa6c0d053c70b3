namespace DistOpt.Hosting.Tests.Security;

/// <summary>Bytes that a hostile peer might send, from a seed.</summary>
internal sealed class Mutations(int seed)
{
    private readonly Random _random = new(seed);

    public int Next(int below) => _random.Next(below);

    /// <summary>A frame that is random, cut short, or valid but for a few bytes.</summary>
    public byte[] Of(byte[] valid)
    {
        switch (_random.Next(4))
        {
            case 0:
                return Noise(_random.Next(1, 400));
            case 1:
                return valid[..(1 + _random.Next(valid.Length - 1))];
            default:
                byte[] changed = [.. valid];
                for (int i = _random.Next(1, 5); i > 0; i--)
                    changed[_random.Next(changed.Length)] = _random.Next(4) switch { 0 => 0, 1 => 255, 2 => 1, _ => (byte)_random.Next(256) };
                return changed;
        }
    }

    public byte[] Noise(int length)
    {
        var noise = new byte[length];
        _random.NextBytes(noise);
        return noise;
    }
}
