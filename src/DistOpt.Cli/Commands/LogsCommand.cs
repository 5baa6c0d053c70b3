using System.CommandLine;
using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary><c>logs ID-or-RUN-or-STUDY</c>: what user code and the job wrote, on any node; of a study what its trials wrote.</summary>
internal static class LogsCommand
{
    public static Command Create(Bind bind)
    {
        var run = new Argument<string>("run") { Description = "Id of a job or study on the cluster, or the directory of a run or study here" };
        var trial = new Option<int?>("--trial") { Description = "Only this trial of the study", HelpName = "n" };
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the job or study ends" };
        var cluster = GlobalOptions.Cluster();
        var command = new Command("logs", "Shows what user code and the job wrote, on any node") { run, trial, follow, cluster };
        bind(command, async invocation =>
        {
            var (parse, console) = (invocation.Parse, invocation.Console);
            string name = parse.GetRequiredValue(run);
            var (number, follows, stop) = (parse.GetValue(trial), parse.GetValue(follow), invocation.Interrupt);
            if (number is < 0) throw new SpecException("--trial", $"is {number}, but must be at least 0");
            var lines = new List<string>();
            if (!IsOfCluster(name, parse.GetValue(cluster), console))
            {
                if (StudyPlace.FindHere(name, console) is { } study) await OfStudyAsync(StudyLogs.Of(study, console.Time)).ConfigureAwait(false);
                else
                {
                    var here = RunDirectoryReader.Open(name, console.RunsRoot);
                    NoTrial();
                    if (follows) throw new SpecException("--follow", $"is for what a cluster runs; follow '{here.Directory.LogFile}' with tail -f");
                    foreach (var line in here.Logs()) Add(line, null);
                }
            }
            else
            {
                using var client = ClusterClient.Open(parse.GetValue(cluster), console);
                bool isStudy;
                using (var job = await client.JobAsync(name, stop).ConfigureAwait(false)) isStudy = StudyStatusText.IsStudy(job.RootElement);
                if (isStudy) await OfStudyAsync(StudyLogs.Of(client, name, console.Time)).ConfigureAwait(false);
                else
                {
                    NoTrial();
                    await foreach (var line in client.LogsAsync(name, follows, stop).ConfigureAwait(false)) Add(line, null);
                }
            }
            if (invocation.Json) console.Out.WriteLine("[" + string.Join(",\n", lines) + "]");
            return ExitCode.Done;

            async Task OfStudyAsync(StudyLogs logs)
            {
                await foreach (var (line, of) in logs.ReadAsync(number, follows, stop).ConfigureAwait(false)) Add(line, of);
            }

            void NoTrial()
            {
                if (number is not null) throw new SpecException("--trial", $"is given, but '{name}' is no study: leave it away");
            }

            void Add(LogLine line, (int Trial, int Repeat)? of)
            {
                if (invocation.Json) lines.Add(RunJson.LogLineText(line, of));
                else console.Out.WriteLine(Text(line, of));
            }
        });
        return command;
    }

    /// <summary>A run directory here is read where no cluster is asked for by name, whatever the environment says.</summary>
    private static bool IsOfCluster(string name, string? cluster, AppConsole console) =>
        cluster is not null || (!Directory.Exists(name) && StudyPlace.IsOfCluster(name, cluster, console));

    private static string Text(LogLine line, (int Trial, int Repeat)? of)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{line.Seconds,9:0.000} {line.Node} {line.Source} {line.Level}: {line.Text}");
        return of is not { } run ? text : string.Create(CultureInfo.InvariantCulture, $"trial {run.Trial}{(run.Repeat > 0 ? $" repeat {run.Repeat}" : "")} {text}");
    }
}
