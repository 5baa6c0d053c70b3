using System.Runtime.CompilerServices;
using System.Text;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;
using DistOpt.Hosting.Studies;

namespace DistOpt;

/// <summary>The logs of a study's trials, one after the other by number, and while the study goes on what is added to them.</summary>
/// <param name="files">The files of the study (<see cref="RunFileList.OfStudy"/>).</param>
/// <param name="text">What is in one of them, by its path.</param>
/// <param name="goesOn">Whether the study goes on.</param>
/// <param name="time">Times the looks at them.</param>
internal sealed class StudyLogs(
    Func<CancellationToken, Task<IReadOnlyList<RunFile>>> files, Func<string, CancellationToken, Task<string>> text, Func<CancellationToken, Task<bool>> goesOn,
    TimeProvider time)
{
    /// <summary>Between two looks.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>What was seen of a log: its length, its lines that are whole, and the first of them.</summary>
    private readonly Dictionary<string, (long Bytes, int Lines, string? First)> _seen = [];

    /// <summary>Of a study on a cluster.</summary>
    public static StudyLogs Of(ClusterClient client, string id, TimeProvider time) => new(
        ct => client.FilesAsync(id, ct),
        async (path, ct) =>
        {
            using var buffer = new MemoryStream();
            await client.FileAsync(id, path, buffer, ct).ConfigureAwait(false);
            return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
        },
        async ct =>
        {
            using var job = await client.JobAsync(id, ct).ConfigureAwait(false);
            return !ClusterClient.IsEnd(job.RootElement.GetProperty("status").GetString());
        }, time);

    /// <summary>Of a study of this machine, or a copy of one.</summary>
    public static StudyLogs Of(StudyDirectory study, TimeProvider time) => new(
        _ => Task.FromResult(RunFileList.OfStudy(study.Path)),
        async (path, ct) =>
        {
            try
            {
                using var stream = new FileStream(Path.Combine(study.Path, path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                using var reader = new StreamReader(stream);
                return await reader.ReadToEndAsync(ct).ConfigureAwait(false);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return ""; // the trial begins anew
            }
        },
        async ct =>
        {
            using var status = await StudyControlClient.FindAsync(study, ct).ConfigureAwait(false);
            return status is not null;
        }, time);

    /// <param name="trial">Only its log; null = those of all.</param>
    /// <param name="follow">Whether to go on until the study ends.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>
    /// The lines, with the trial and the repeat that wrote them. Throws <see cref="SpecException"/> where the one trial has no log and will have none.
    /// </returns>
    public async IAsyncEnumerable<(LogLine Line, (int Trial, int Repeat) Of)> ReadAsync(
        int? trial, bool follow, [EnumeratorCancellation] CancellationToken stop)
    {
        while (true)
        {
            // asked before the files are, so that what is written at the end is seen
            bool isLast = !follow || !await goesOn(stop).ConfigureAwait(false);
            var all = await files(stop).ConfigureAwait(false);
            var logs = all.Select(f => (File: f, Of: RunFileList.TrialOfLog(f.Path))).Where(l => l.Of is { } of && (trial is null || of.Trial == trial))
                .Select(l => (l.File, Of: l.Of!.Value)).OrderBy(l => l.Of).ToList();
            foreach (var (file, of) in logs)
            {
                var (bytes, lines, first) = _seen.GetValueOrDefault(file.Path);
                if (file.Bytes == bytes) continue;
                string whole = await text(file.Path, stop).ConfigureAwait(false);
                string[] parts = whole[..(whole.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
                // one that has become shorter, or begins with something else, is of a run that began anew
                if (file.Bytes < bytes || parts.Length < lines || (first is not null && parts[0] != first)) lines = 0;
                foreach (string line in parts.Skip(lines)) yield return (RunJson.ParseLogLine(line), of);
                _seen[file.Path] = (parts.Length == 0 ? 0 : file.Bytes, parts.Length, parts.Length == 0 ? null : parts[0]);
            }
            if (isLast && trial is { } number && logs.Count == 0) throw new SpecException("--trial", Missing(all, number));
            if (isLast) yield break;
            await Task.Delay(Interval, time, stop).ConfigureAwait(false);
        }
    }

    private static string Missing(IReadOnlyList<RunFile> files, int trial)
    {
        int[] known = [.. files.Select(f => RunFileList.TrialOfLog(f.Path)).OfType<(int Trial, int Repeat)>().Select(l => l.Trial).Distinct().Order()];
        return known.Length == 0 ? $"is {trial}, but no trial of the study has a log" : $"is {trial}, which has no log; those from {known[0]} to {known[^1]} have one";
    }
}
