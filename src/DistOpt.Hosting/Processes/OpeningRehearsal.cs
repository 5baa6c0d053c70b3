using System.ComponentModel;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Processes;

/// <summary>Opens in a child process of the same program, by the command <see cref="Command"/>. One at a time, each for ten minutes at most.</summary>
/// <param name="program">The same build as this process; it understands the command.</param>
/// <param name="specs">Writes the spec for the child.</param>
/// <param name="folder">Where that is written.</param>
/// <param name="dataRoot">Data root of the node; null = the current folder.</param>
internal sealed class OpeningRehearsal(ProgramStart program, ISpecCodec specs, string folder, string? dataRoot, ILogger log) : IOpeningRehearsal
{
    /// <summary>Not for people: <c>rehearse-opening FILE --data-root FOLDER</c>.</summary>
    public const string Command = "rehearse-opening";

    /// <summary>The line with which the command says that nothing ended it: it has opened model and data, or an exception was thrown.</summary>
    public const string Done = "distopt-rehearsal-done";

    /// <summary>Who is slow ends no process: then it is opened for good, which has limits of its own.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();

    public string? Try(TrainingSpec spec)
    {
        // a model that takes all memory shall not do so twice at once
        lock (_lock)
        {
            string file = Path.Combine(folder, $"{Environment.ProcessId}.yaml");
            try
            {
                Directory.CreateDirectory(folder);
                File.WriteAllText(file, specs.Write(spec));
                string? end = TryAsync(file).GetAwaiter().GetResult();
                File.Delete(file);
                return end;
            }
            catch (Exception e) when (e is Win32Exception or IOException or UnauthorizedAccessException)
            {
                // then it is tried here: a node that can start no process would else open nothing any more
                log.LogWarning("No process of '{Program}' can be started to open a suspect model: {Error}", program.FileName, e.Message);
                return null;
            }
        }
    }

    private async Task<string?> TryAsync(string file)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string[] arguments = [Command, file, "--data-root", Path.GetFullPath(dataRoot ?? ".")];
        var process = NodeProcess.Start(program, 0, arguments, "", (_, _, text) =>
        {
            if (text == Done) done.TrySetResult();
        });
        await using (process.ConfigureAwait(false))
        {
            process.PreferForKill(log);
            var first = await Task.WhenAny(done.Task, process.Exited, Task.Delay(Longest)).ConfigureAwait(false);
            // its last line may have come with its end
            if (done.Task.IsCompleted) return null;
            if (first == process.Exited) return process.Describe();
            log.LogWarning("A process that was to try a suspect model has not opened it within {Seconds} s: it is opened here", Longest.TotalSeconds);
            return null;
        }
    }
}
