using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// libtorch threads of the calling thread. One wherever bits count: kernels split sums by thread count, and workers have their own threads.
/// </summary>
internal readonly ref struct ThreadCount
{
    private readonly int _before;

    private ThreadCount(int before) => _before = before;

    /// <summary>One thread until the scope is disposed of, which is to happen on the same thread.</summary>
    public static ThreadCount One()
    {
        int before = get_num_threads();
        if (before != 1) set_num_threads(1);
        return new ThreadCount(before);
    }

    /// <summary>
    /// One thread from now on. A thread that has never asked gets at its first kernel whatever some other thread has set last, even where it has set its own
    /// count before: so it asks first.
    /// </summary>
    public static void SetOne()
    {
        _ = get_num_threads();
        set_num_threads(1);
    }

    public void Dispose()
    {
        if (_before != 1) set_num_threads(_before);
    }
}
