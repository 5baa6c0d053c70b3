using System.Security.Cryptography;
using System.Text;
using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Training;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Studies;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Api;

/// <summary>
/// The jobs of the cluster as the HTTP API shows them: the job coordinator knows them, and their run directories
/// (<c>runs/&lt;name&gt;-&lt;id&gt;</c> under the data root) hold what they wrote. Everything fails with <see cref="CoordinatorGoneException"/> or
/// <see cref="AskTimeoutException"/> while the coordinator is not here.
/// </summary>
/// <param name="random">Draws what tells jobs of one second apart; null = at random.</param>
public sealed class ClusterJobs(ClusterNode node, ISpecReader specs, TimeProvider time, Func<ushort>? random = null)
{
    /// <summary>How often an id is drawn for a job before it is rejected.</summary>
    private const int Draws = 20;

    private readonly Func<ushort> _random = random ?? (() => BitConverter.ToUInt16(RandomNumberGenerator.GetBytes(2)));

    private static readonly TimeSpan AskTime = TimeSpan.FromSeconds(10);

    // absolute: the journal outlives this process and its current directory
    private string Root(string folder) => Path.GetFullPath(Path.Combine(node.Options.DataRoot ?? ".", folder));

    /// <summary>Submits a job or a study; a repeat of the idempotency key gives the job that the first one made, whatever happened in between.</summary>
    /// <param name="specYaml">The spec.</param>
    /// <param name="idempotencyKey">Null = none.</param>
    /// <param name="imported">Of a study: trials of another one that its sampler is given (<see cref="ImportedTrials"/>); null = none.</param>
    /// <returns><see cref="JobAccepted"/> once the job is stored, or <see cref="JobRejected"/>.</returns>
    /// <exception cref="SpecException">The text is no valid spec, or the trials are none of it.</exception>
    public async Task<object> SubmitAsync(string specYaml, string? idempotencyKey, string? imported = null)
    {
        if (!SpecBinder.IsStudy(specYaml))
        {
            if (imported is not null) throw new SpecException("imported", "is given, but the spec is none of a study");
            var spec = specs.Read(specYaml);
            return await SubmitAsync(RunDirectory.DefaultRoot, spec.Name, (id, directory) => new SubmitDurableJob(id, spec, directory, idempotencyKey))
                .ConfigureAwait(false);
        }
        var parts = node.Studies ?? throw new SpecException("study", "this cluster's program runs no studies");
        var study = parts.Read(specYaml);
        string resolved = StudySpecWriter.Write(study);
        string? trials = imported is null ? null : ImportedTrials.Write(study, ImportedTrials.Parse(study, imported, "imported"));
        return await SubmitAsync(StudyDirectory.DefaultRoot, study.Name,
            (id, directory) => new SubmitDurableStudy(id, study.Name, resolved, directory, idempotencyKey), trials).ConfigureAwait(false);
    }

    /// <param name="root">Folder of the directories of its kind.</param>
    /// <param name="imported">Text of the file with its imported trials; null = there are none.</param>
    private async Task<object> SubmitAsync(string root, string name, Func<JobId, string, object> submission, string? imported = null)
    {
        for (int attempt = 1; ; attempt++)
        {
            string id = RunDirectory.NewId(time.GetUtcNow(), _random());
            string path = Path.Combine(Root(root), $"{name}-{id}");
            if (Path.Exists(path) && attempt < Draws) continue;
            var directory = RunDirectory.Plan(path, name, id);
            // before the study is known: it is opened at once
            if (imported is not null) AtomicFile.Write(Made(new StudyDirectory(directory.Path)).ImportedFile, Encoding.UTF8.GetBytes(imported));
            object answer = await AskAsync<object>(submission(new JobId(id), directory.Path)).ConfigureAwait(false);
            if (imported is not null && (answer as JobAccepted)?.Job.Value != id) Undo(new StudyDirectory(directory.Path));
            // of many that come in one second two may draw the same number
            if (answer is not JobRejected { IdIsTaken: true } || attempt == Draws) return answer;
        }
    }

    private static StudyDirectory Made(StudyDirectory directory)
    {
        Directory.CreateDirectory(directory.Path);
        return directory;
    }

    /// <summary>There will be no such study: it is a repeat, or rejected.</summary>
    private static void Undo(StudyDirectory directory)
    {
        File.Delete(directory.ImportedFile);
        if (!Directory.EnumerateFileSystemEntries(directory.Path).Any()) Directory.Delete(directory.Path);
    }

    /// <summary>Where a live study stands; nothing where it has ended or is not known.</summary>
    public Task<StudyFound> StudyAsync(string id) => AskAsync<StudyFound>(new FindStudy(new JobId(id)));

    /// <summary>The trials of a live study that have not ended, as a file of lines; null where it has ended or is not known.</summary>
    public async Task<string?> OpenTrialsAsync(string id)
    {
        var open = await AskAsync<OpenTrials>(new FindOpenTrials(new JobId(id))).ConfigureAwait(false);
        return open.Lines is { } lines ? string.Concat(lines.Select(l => l + "\n")) : null;
    }

    /// <summary>Gives a command to a study; answered when it is stored.</summary>
    /// <exception cref="SpecException">What is wrong with it.</exception>
    public Task<StudyAnswer> CommandAsync(string id, StudyRequest request) =>
        AskAsync<StudyAnswer>(new CommandStudy(new JobId(id), request.ToCommand()) { Reopens = request.Reopens, HasKey = request.Key is not null });

    public Task<JobFound> FindAsync(string id) => AskAsync<JobFound>(new FindJob(new JobId(id)));

    public async Task<IReadOnlyList<JobStatus>> ListAsync() => (await AskAsync<JobList>(new ListJobs()).ConfigureAwait(false)).Jobs;

    public async Task<IReadOnlyList<NodeStatus>> NodesAsync() => (await AskAsync<NodeList>(new ListNodes()).ConfigureAwait(false)).Nodes;

    /// <summary>Asks a node, by its name, to hand over what it has and to leave; answered at once.</summary>
    /// <param name="incarnation">The one that is meant, so that a repeat does not reach its successor; null = whichever is there.</param>
    public Task<DrainAnswer> DrainAsync(string node, string? incarnation) =>
        AskAsync<DrainAnswer>(new DrainNodeNamed(node, incarnation is null ? null : new NodeId(incarnation)));

    /// <summary>Asks for the job's end at its next step; answered when that is stored.</summary>
    public Task<StopAnswer> CancelAsync(string id, string? idempotencyKey) =>
        AskAsync<StopAnswer>(new StopJob(new JobId(id), StopReason.Cancelled) { Key = idempotencyKey });

    /// <summary>Lines of a file of the job's directory from line <paramref name="after"/> on (0 = the first).</summary>
    /// <param name="wait">How long to wait for new ones where there are none and the job has not ended.</param>
    /// <returns>The job as it is after that; <see cref="JobFound.Status"/> is null where there is none.</returns>
    public async Task<(JobFound Job, IReadOnlyList<string> Lines)> LinesAsync(string id, JobLines what, long after, TimeSpan wait,
        CancellationToken cancellationToken)
    {
        var job = await FindAsync(id).ConfigureAwait(false);
        if (job.Directory is not { } path) return (job, []);
        bool isStudy = job.Status?.Kind == JobKind.Study;
        string? name = (what, isStudy) switch
        {
            (JobLines.Rows, false) => new RunDirectory(path).MetricsFile,
            (JobLines.Rows, true) => new StudyDirectory(path).TrialsFile,
            (JobLines.Logs, false) => new RunDirectory(path).LogFile,
            // its trials' runs have logs of their own
            _ => null,
        };
        if (name is null) return (job, []);
        if (wait > TimeSpan.Zero && job.Status?.SummaryJson is null)
        {
            // armed before file and job are looked at, so that nothing that is written in between is slept over
            var news = node.Sinks.News(new JobId(id));
            job = await FindAsync(id).ConfigureAwait(false);
            if (job.Status?.SummaryJson is not null) node.Sinks.Ended(new JobId(id));
            else if (Lines(name, after).Count == 0)
            {
                await Task.WhenAny(news, Task.Delay(wait, time, cancellationToken)).ConfigureAwait(false);
                job = await FindAsync(id).ConfigureAwait(false);
            }
        }
        return (job, Lines(name, after));
    }

    /// <summary>Whole lines only.</summary>
    private static IReadOnlyList<string> Lines(string path, long after, int atMost = 10_000)
    {
        if (!File.Exists(path)) return [];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        string text = reader.ReadToEnd();
        int end = text.LastIndexOf('\n');
        if (end < 0) return [];
        return [.. text[..end].Split('\n').Skip((int)Math.Min(after, int.MaxValue)).Take(atMost)];
    }

    private Task<T> AskAsync<T>(object message) =>
        (node.Coordinator ?? throw new InvalidOperationException("jobs are known to nodes with the coordinator role")).Ask<T>(message, AskTime);
}

/// <summary>A file of which lines are asked for.</summary>
public enum JobLines
{
    /// <summary>Rows of metrics of a job, trials of a study that have ended.</summary>
    Rows,

    /// <summary>What user code and the job wrote.</summary>
    Logs,
}

/// <summary>Reads specs as users write them: parsed, checked and resolved.</summary>
public interface ISpecReader : Actors.Nodes.ISpecCodec;
