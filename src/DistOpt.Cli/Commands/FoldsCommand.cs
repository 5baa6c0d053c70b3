using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>What <c>train</c> and <c>submit</c> do with a spec that has <c>data.folds</c> and no <c>data.fold</c>.</summary>
internal static class FoldsCommand
{
    /// <summary>Trains the folds here.</summary>
    public static async Task<int> RunAsync(CommandInvocation invocation, RunPlan plan, int? parallel, IReadOnlyList<Requirement> requirements)
    {
        int atOnce = Math.Min(parallel ?? FoldsRunner.ParallelFor(plan.Spec, plan.Processes), plan.Spec.Data.Folds!.Value);
        var turn = new Lock();
        IRunSink Display(int fold) => new FoldDisplay(invocation.Out, fold, turn);
        CrossValidation result;
        // a line on the console says nothing of the fold that wrote it: only one at a time can have it in its log
        using (plan.CapturesConsole && atOnce > 1 ? new ConsoleCapture((_, line) => { lock (turn) invocation.Out.WriteLine(line); }) : null)
        {
            result = await new FoldsRunner(plan with { CapturesConsole = plan.CapturesConsole && atOnce == 1 }, atOnce, Display)
                .RunAsync(invocation.Interrupt).ConfigureAwait(false);
        }
        string? directory = File.Exists(plan.Directory?.SummaryFile) ? plan.Directory.Path : null; // without one no fold has begun
        Report(invocation, result, directory);
        if (result.Summary.Status == RunStatus.Failed) throw new TrainingFailedException(result.Summary, directory, null) { WasReported = true };
        return End(invocation, result, requirements);
    }

    /// <summary>Submits each fold as a job; waits for them, one after the other, where that is wanted.</summary>
    public static async Task<int> SubmitAsync(CommandInvocation invocation, ClusterClient client, TrainingSpec spec, string key, bool watch,
        IReadOnlyList<Requirement> requirements)
    {
        var ids = new List<string>();
        for (int fold = 0; fold < spec.Data.Folds; fold++)
        {
            string yaml = SpecFiles.Write(FoldsRunner.SpecOf(spec, fold));
            ids.Add(await client.SubmitAsync(yaml, $"{key}-fold-{fold}", invocation.Interrupt).ConfigureAwait(false));
            if (!invocation.Json || watch) invocation.Out.WriteLine($"fold {fold}  {ids[^1]}");
        }
        if (!watch)
        {
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteStartArray("ids");
                    foreach (string id in ids) json.WriteStringValue(id);
                    json.WriteEndArray();
                    json.WriteEndObject();
                },
                _ => { });
            return ExitCode.Done;
        }
        long begin = invocation.Console.Time.GetTimestamp();
        var results = new List<FoldResult>();
        var turn = new Lock();
        foreach (string id in ids)
        {
            var display = new FoldDisplay(invocation.Out, results.Count, turn);
            await foreach (var row in client.RowsAsync(id, follow: true, invocation.Interrupt).ConfigureAwait(false)) display.Row(row);
            using var job = await client.JobAsync(id, invocation.Interrupt).ConfigureAwait(false);
            bool hasSummary = job.RootElement.TryGetProperty("summary", out var summary) && summary.ValueKind == System.Text.Json.JsonValueKind.Object;
            results.Add(new FoldResult(results.Count, id, hasSummary ? RunJson.ParseSummary(summary) : null));
        }
        var result = new CrossValidation(ids[0], results, invocation.Console.Time.GetElapsedTime(begin).TotalSeconds);
        Report(invocation, result, null);
        return End(invocation, result, requirements);
    }

    private static int End(CommandInvocation invocation, CrossValidation result, IReadOnlyList<Requirement> requirements) => result.Summary.Status switch
    {
        RunStatus.Interrupted => ExitCode.Interrupted,
        RunStatus.Completed when Requirement.Met(requirements, result.Summary, invocation.Console.Error) => ExitCode.Done,
        _ => ExitCode.Failed,
    };

    private static void Report(CommandInvocation invocation, CrossValidation result, string? directory) => invocation.Write(
        json =>
        {
            json.WriteStartObject();
            json.WriteString("run", directory);
            FoldFiles.WriteFields(json, result);
            json.WriteEndObject();
        },
        writer => FoldsText.Write(writer, result, directory));
}
