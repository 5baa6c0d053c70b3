using DistOpt.Torch.Engine;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public sealed class ThreadCountTests
{
    /// <summary>Products of few columns have other bits with two threads: a worker must not get them because somebody else asked for them.</summary>
    [Fact]
    public void What_another_thread_sets_does_not_reach_one_that_has_set_its_own_before_its_first_kernel()
    {
        int found = 0;
        using var isSet = new ManualResetEventSlim();
        using var mayGoOn = new ManualResetEventSlim();
        var worker = new Thread(() =>
        {
            ThreadCount.SetOne();
            isSet.Set();
            mayGoOn.Wait();
            found = get_num_threads();
        });
        worker.Start();
        isSet.Wait(TestContext.Current.CancellationToken);
        int before = get_num_threads();
        set_num_threads(2);
        mayGoOn.Set();
        worker.Join();
        set_num_threads(before);

        Assert.Equal(1, found);
    }
}
