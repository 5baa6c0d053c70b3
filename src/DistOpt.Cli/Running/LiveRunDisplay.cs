using System.Globalization;
using DistOpt.Core.Training;
using Spectre.Console;

namespace DistOpt;

/// <summary>
/// On a terminal: the lines of <see cref="RunDisplay"/> scroll by above a bar with step, loss, validation, samples/s and time left, which
/// is redrawn at most ten times a second.
/// </summary>
internal sealed class LiveRunDisplay(IAnsiConsole console) : RunDisplay(TextWriter.Null), IDisposable
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _drawing = Task.CompletedTask;
    private ProgressTask? _bar;
    private string _validation = "";
    private double _samplesPerSecond;

    /// <param name="writer">The terminal.</param>
    /// <param name="width">Its columns.</param>
    /// <param name="colors">False under NO_COLOR: the bar still moves, without colors.</param>
    public static IAnsiConsole Terminal(TextWriter writer, int width, bool colors)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = colors ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = width;
        return console;
    }

    public override void Started(RunStarted run)
    {
        base.Started(run);
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _drawing = console.Progress()
            .AutoClear(true)
            .HideCompleted(false)
            .Columns(
                new ProgressBarColumn { Width = 20 }, new PercentageColumn(), new TaskDescriptionColumn { Alignment = Justify.Left }, new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                _bar = context.AddTask(Markup.Escape($"step 0/{Total}"), maxValue: Math.Max(1, run.TotalSteps));
                ready.SetResult();
                await _ended.Task.ConfigureAwait(false);
            });
        ready.Task.GetAwaiter().GetResult(); // StartAsync runs up to its first await at once
    }

    public override void Progress(RunProgress progress)
    {
        if (_bar is null) return;
        _samplesPerSecond = progress.SamplesPerSecond;
        _bar.Value = progress.Step;
        _bar.Description = Markup.Escape(string.Create(CultureInfo.InvariantCulture,
            $"step {progress.Step}/{Total}  loss {Format.Metric(progress.Loss)}{_validation}  {Format.Count(_samplesPerSecond)} samples/s"));
    }

    public override void Ended(RunSummary summary) => Dispose();

    public void Dispose()
    {
        _ended.TrySetResult();
        _drawing.GetAwaiter().GetResult();
        _drawing = Task.CompletedTask;
    }

    protected override void WriteLine(string text)
    {
        int validation = text.IndexOf("validation.", StringComparison.Ordinal);
        if (text.StartsWith("step ", StringComparison.Ordinal) && validation >= 0)
            _validation = "  " + string.Join("  ", text[validation..].Split("  ").TakeWhile(p => p.StartsWith("validation.", StringComparison.Ordinal)));
        console.WriteLine(text);
    }
}
