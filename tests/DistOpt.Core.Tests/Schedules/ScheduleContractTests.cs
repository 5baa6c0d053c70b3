using DistOpt.Core.Schedules;

namespace DistOpt.Core.Tests.Schedules;

public sealed class ScheduleContractTests
{
    public static TheoryData<string> All => [.. ScheduleCatalog.Default.Entries.Select(e => e.Name)];

    private static ILearningRateSchedule Make(string name)
    {
        var entry = ScheduleCatalog.Default.Entries.Single(e => e.Name == name);
        return entry.Factory(Activator.CreateInstance(entry.OptionsType)!);
    }

    [Theory, MemberData(nameof(All))]
    public void The_rate_is_a_function_of_the_step_alone(string name)
    {
        var forward = Make(name);
        var backward = Make(name);
        long[] steps = [0, 1, 2, 10, 999, 1000, 1_000_000];
        double[] rates = [.. steps.Select(s => forward.RateAt(0.1, s))];
        Assert.Equal(rates.Reverse(), steps.Reverse().Select(s => backward.RateAt(0.1, s)));
        Assert.All(rates, r => Assert.True(double.IsFinite(r) && r >= 0));
    }

    [Fact]
    public void Constant_is_the_base_rate() => Assert.Equal(0.25, Make("constant").RateAt(0.25, 12345));
}
