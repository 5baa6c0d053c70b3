using System.Text.Json;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DistOpt;

/// <summary>
/// On a terminal: trials that have ended scroll by above a table that is redrawn: trials by state, the best one, those that run with their progress, rungs.
/// </summary>
internal sealed class LiveStudyTable : IStudyWatchDisplay
{
    /// <summary>Trials that are shown, so that the table fits a screen.</summary>
    private const int RowsMax = 16;

    private readonly IAnsiConsole _console;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _drawing;
    private LiveDisplayContext _table = null!;

    public LiveStudyTable(IAnsiConsole console)
    {
        _console = console;
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _drawing = console.Live(new Text("")).AutoClear(true).StartAsync(async context =>
        {
            _table = context;
            ready.SetResult();
            await _ended.Task.ConfigureAwait(false);
        });
        ready.Task.GetAwaiter().GetResult(); // StartAsync runs up to its first await at once
    }

    public void Stands(JsonElement study)
    {
        // at its end all is told
        if (study.TryGetProperty("summary", out _)) return;
        _table.UpdateTarget(Of(study));
    }

    public void Ended(JsonElement trial) => _console.WriteLine(StudyStatusText.Ended(trial));

    public void Dispose()
    {
        _ended.TrySetResult();
        _drawing.GetAwaiter().GetResult();
    }

    /// <summary>The table of a study, as the API tells it.</summary>
    internal static IRenderable Of(JsonElement study)
    {
        var parts = new List<IRenderable> { new Text(StudyStatusText.Line(study)) };
        var live = StudyStatusText.LiveRows(study);
        if (live.Count > 0) parts.Add(Table(live.Take(RowsMax + 1)));
        if (live.Count > RowsMax + 1) parts.Add(new Text($"and {Format.Plural(live.Count - RowsMax - 1, "trial")} more"));
        parts.AddRange(StudyStatusText.WaitLines(study).Select(line => new Text(line)));
        if (StudyStatusText.RungRows(study) is { Count: > 0 } rungs) parts.Add(Table(rungs));
        return new Rows(parts);
    }

    private static Table Table(IEnumerable<IReadOnlyList<string>> rows)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var (i, row) in rows.Index())
        {
            if (i == 0) foreach (string name in row) table.AddColumn(new TableColumn(new Text(name)));
            else table.AddRow(row.Select(cell => new Text(cell)));
        }
        return table;
    }
}
