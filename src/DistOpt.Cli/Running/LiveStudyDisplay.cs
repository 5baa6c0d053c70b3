using System.Globalization;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using Spectre.Console;

namespace DistOpt;

/// <summary>
/// On a terminal: the lines of <see cref="StudyDisplay"/> scroll by above a bar with the trials by state and the best value, which is redrawn at most ten times
/// a second.
/// </summary>
internal sealed class LiveStudyDisplay(IAnsiConsole console, TimeProvider time) : StudyDisplay(TextWriter.Null), IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _drawing = Task.CompletedTask;
    private ProgressTask? _bar;
    private long _shownAt;

    public override void Began(StudyPlan plan, IReadOnlyList<TrialRecord> before)
    {
        base.Began(plan, before);
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _drawing = console.Progress()
            .AutoClear(true)
            .HideCompleted(false)
            .Columns(new ProgressBarColumn { Width = 20 }, new TaskDescriptionColumn { Alignment = Justify.Left }, new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                _bar = context.AddTask("no trial has ended", maxValue: Math.Max(1, plan.Trials ?? plan.Spec.Study.Trials ?? 1));
                if (plan.Spec.Study.Trials is null) _bar.IsIndeterminate = true;
                ready.SetResult();
                await _ended.Task.ConfigureAwait(false);
            });
        ready.Task.GetAwaiter().GetResult(); // StartAsync runs up to its first await at once
    }

    public override void Stands(Func<StudyStatus> status)
    {
        if (_bar is null || (_shownAt != 0 && time.GetElapsedTime(_shownAt) < Interval)) return;
        _shownAt = time.GetTimestamp();
        var now = status();
        var counts = now.Counts;
        if (now.Trials is { } most) _bar.MaxValue = Math.Max(1, most);
        _bar.Value = counts.Complete + counts.Pruned + counts.Failed + counts.Cancelled;
        string best = now.Best is { } found ? $"  best {Format.Metric(found.Values[0])} (trial {found.Number})" : "";
        _bar.Description = Markup.Escape(string.Create(CultureInfo.InvariantCulture,
            $"{_bar.Value:0}{(now.Trials is { } all ? $"/{all}" : "")} ended  {counts.Running} running  {counts.Paused + counts.Waiting} waiting{(counts.Suspended > 0 ? $"  {counts.Suspended} suspended" : "")}{(counts.Failed > 0 ? $"  {counts.Failed} failed" : "")}{best}"));
    }

    public void Dispose()
    {
        _ended.TrySetResult();
        _drawing.GetAwaiter().GetResult();
        _drawing = Task.CompletedTask;
    }

    protected override void WriteLine(string text) => console.WriteLine(text);
}
