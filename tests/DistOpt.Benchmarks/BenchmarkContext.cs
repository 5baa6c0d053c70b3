using System.Diagnostics;

namespace DistOpt.Benchmarks;

/// <summary>How to measure: contenders take turns, so that whatever else the machine does meets all of them; medians count.</summary>
/// <param name="Rounds">Turns of each contender that count; one more comes before them and does not.</param>
/// <param name="Log">Takes a line for the person who waits.</param>
/// <param name="CancellationToken">Ends the measurement between turns.</param>
public sealed record BenchmarkContext(int Rounds, Action<string> Log, CancellationToken CancellationToken = default)
{
    /// <summary>Median seconds of each contender's turns, in the order given.</summary>
    public Timing[] Interleave(params (string Name, Action Turn)[] contenders)
    {
        var seconds = contenders.Select(_ => new List<double>()).ToArray();
        for (int round = -1; round < Rounds; round++)
        {
            for (int i = 0; i < contenders.Length; i++)
            {
                CancellationToken.ThrowIfCancellationRequested();
                long start = Stopwatch.GetTimestamp();
                contenders[i].Turn();
                double took = Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (round >= 0) seconds[i].Add(took);
            }
        }
        var timings = seconds.Select(Timing.Of).ToArray();
        for (int i = 0; i < contenders.Length; i++)
        {
            Log($"  {contenders[i].Name}: median {timings[i].Median * 1e3:0.000} ms, quartiles {timings[i].LowerQuartile * 1e3:0.000} to "
                + $"{timings[i].UpperQuartile * 1e3:0.000}, of {Rounds}");
        }
        return timings;
    }
}

/// <summary>Seconds of one contender over its turns.</summary>
public sealed record Timing(double Median, double LowerQuartile, double UpperQuartile, double Least)
{
    /// <param name="seconds">At least one value.</param>
    public static Timing Of(IReadOnlyCollection<double> seconds)
    {
        double[] sorted = [.. seconds.Order()];
        return new Timing(Quantile(0.5), Quantile(0.25), Quantile(0.75), sorted[0]);

        double Quantile(double share)
        {
            double at = share * (sorted.Length - 1);
            int below = (int)at;
            return below + 1 == sorted.Length ? sorted[below] : sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
        }
    }
}
