using System.Text.Json;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Studies;

namespace DistOpt;

/// <summary><c>watch</c> of a study: its trials as they end and where it stands, then how it ended.</summary>
internal static class StudyWatch
{
    /// <summary>Between two looks at a study for a table that is redrawn, or at one of this machine.</summary>
    private const int LookSeconds = 1;

    /// <summary>The same where nobody looks on: a trial's end is told at once.</summary>
    private const int LongSeconds = 10;

    /// <summary>Follows a study on a cluster.</summary>
    /// <returns>0, or 1 where it failed, has no feasible trial that is complete, or a requirement is not met.</returns>
    public static async Task<int> FollowAsync(CommandInvocation invocation, ClusterClient client, string id, IReadOnlyList<Requirement> requirements)
    {
        using (var display = Display(invocation, out bool redraws))
        {
            var trials = client.TrialsAsync(id, follow: true, invocation.Interrupt, display.Stands, redraws ? LookSeconds : LongSeconds);
            await foreach (var trial in trials.ConfigureAwait(false)) display.Ended(trial);
        }
        using var study = await client.JobAsync(id, invocation.Interrupt).ConfigureAwait(false);
        invocation.Write(study, writer => StudyStatusText.Write(writer, study.RootElement));
        bool isDone = study.RootElement.GetProperty("status").GetString() == "completed" && study.RootElement.GetProperty("summary") is var summary
            && HasBest(summary) && Requirement.MetByStudy(requirements, summary, invocation.Console.Error);
        return isDone ? ExitCode.Done : ExitCode.Failed;
    }

    /// <summary>Follows a study that a process of this machine runs, until that ends; one that nobody runs is shown as it is.</summary>
    /// <returns>0, or 1 where it has not come to its end or has no feasible trial that is complete.</returns>
    public static async Task<int> FollowAsync(CommandInvocation invocation, StudyDirectory study)
    {
        int told = 0;
        bool wasRun = false;
        using (var display = Display(invocation, out _))
        {
            while (await StudyControlClient.FindAsync(study, invocation.Interrupt).ConfigureAwait(false) is { } status)
            {
                using (status) display.Stands(status.RootElement);
                wasRun = true;
                Tell();
                await Task.Delay(TimeSpan.FromSeconds(LookSeconds), invocation.Console.Time, invocation.Interrupt).ConfigureAwait(false);
            }
            // those that ended since the last look
            if (wasRun) Tell();

            void Tell()
            {
                foreach (string line in study.TrialLines().Skip(told))
                {
                    display.Ended(Parse(line));
                    told++;
                }
            }
        }
        await ShowCommand.ShowStudyAsync(invocation, study).ConfigureAwait(false);
        if (!File.Exists(study.SummaryFile)) return ExitCode.Failed;
        using var summary = JsonDocument.Parse(await File.ReadAllTextAsync(study.SummaryFile, invocation.Interrupt).ConfigureAwait(false));
        return summary.RootElement.GetProperty("status").GetString() == "completed" && HasBest(summary.RootElement) ? ExitCode.Done : ExitCode.Failed;
    }

    /// <summary>Whether it has a best trial, or a front.</summary>
    private static bool HasBest(JsonElement summary) => summary.GetProperty("best").ValueKind == JsonValueKind.Object
        || (summary.TryGetProperty("front", out var front) && front.GetArrayLength() > 0);

    private static JsonElement Parse(string line)
    {
        using var json = JsonDocument.Parse(line);
        return json.RootElement.Clone();
    }

    private static IStudyWatchDisplay Display(CommandInvocation invocation, out bool redraws)
    {
        var console = invocation.Console;
        redraws = console.CanRedraw(onError: invocation.Json);
        if (!redraws) return new StudyLines(invocation.Out, console.Time);
        return new LiveStudyTable(LiveRunDisplay.Terminal(invocation.Out, console.Width, !console.NoColor));
    }
}

/// <summary>Shows a study that is watched. One thread at a time.</summary>
internal interface IStudyWatchDisplay : IDisposable
{
    /// <param name="study">As the API tells it.</param>
    void Stands(JsonElement study);

    /// <param name="trial">A line of <c>trials.jsonl</c>.</param>
    void Ended(JsonElement trial);
}

/// <summary>For pipes and files: a line for each trial that has ended, and where the study stands, each part whenever it is news.</summary>
internal sealed class StudyLines(TextWriter writer, TimeProvider time) : IStudyWatchDisplay
{
    /// <summary>Trials that run report many times a second: how far they are is told this often at most.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, string> _last = [];
    private long? _toldAt;

    public void Stands(JsonElement study)
    {
        // at its end all is told
        if (study.TryGetProperty("summary", out _)) return;
        Tell("counts", StudyStatusText.Line(study));
        if (_toldAt is { } then && time.GetElapsedTime(then) < Interval) return;
        bool isNews = Tell("progress", StudyStatusText.Progress(study));
        isNews |= Tell("rungs", StudyStatusText.Rungs(study));
        if (isNews) _toldAt = time.GetTimestamp();
    }

    public void Ended(JsonElement trial) => writer.WriteLine(StudyStatusText.Ended(trial));

    public void Dispose() { }

    private bool Tell(string part, string line)
    {
        if (line.Length == 0 || _last.GetValueOrDefault(part) == line) return false;
        _last[part] = line;
        writer.WriteLine(line);
        return true;
    }
}
