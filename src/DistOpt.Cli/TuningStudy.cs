using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Studies;

namespace DistOpt;

/// <summary>
/// A study over training specs while it runs, for the code that runs it: what the commands <c>pause</c>, <c>resume</c>, <c>cancel</c>, <c>enqueue</c> and
/// <c>set</c> do. Each returns once it is stored. Thread-safe; a callback of the study may begin one, but must not wait for it.
/// </summary>
/// <remarks>All of them throw <see cref="SpecException"/> with the reason where the study cannot do it, or has ended; nothing has happened then.</remarks>
public sealed class TuningStudy
{
    private readonly StudyCommands _commands;

    internal TuningStudy(StudyCommands commands, string directory) => (_commands, Directory) = (commands, directory);

    /// <summary>Its directory.</summary>
    public string Directory { get; }

    /// <summary>Where it stands.</summary>
    public Task<StudyStatus> StatusAsync(CancellationToken cancellationToken = default) => _commands.StatusAsync(cancellationToken);

    /// <summary>Pauses the study, or a trial: attempts end with a checkpoint at their next report, and lose nothing.</summary>
    /// <param name="trial">Its number; null = the study.</param>
    public Task PauseAsync(int? trial = null) => GiveAsync(engine => engine.Pause(null, trial));

    /// <summary>Goes on with what was paused.</summary>
    /// <param name="trial">Its number; null = the study.</param>
    public Task ResumeAsync(int? trial = null) => GiveAsync(engine => engine.Resume(null, trial));

    /// <summary>Ends the study, or a trial.</summary>
    /// <param name="trial">Its number; null = the study.</param>
    public Task CancelAsync(int? trial = null) => GiveAsync(engine => engine.Cancel(null, trial));

    /// <summary>Has a point tried before others that are suggested.</summary>
    /// <param name="point">Values by the names of parameters, as a study spec has them; the sampler chooses those that are left out.</param>
    /// <param name="fromTrial">
    /// The number of the first trial that may be that one, by which a deterministic study comes to the same whenever it is told; null = the next one.
    /// </param>
    public Task EnqueueAsync(IReadOnlyDictionary<string, object?> point, int? fromTrial = null)
    {
        ArgumentNullException.ThrowIfNull(point);
        var values = Values(point);
        return GiveAsync(engine => engine.Enqueue(null, values(engine), fromTrial));
    }

    /// <summary>Has the parameters of a trial tried once more, or some of them.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="instead">Values in place of the trial's; null = none.</param>
    /// <param name="fromTrial">As above.</param>
    public Task EnqueueTrialAsync(int trial, IReadOnlyDictionary<string, object?>? instead = null, int? fromTrial = null)
    {
        var values = Values(instead ?? new Dictionary<string, object?>());
        return GiveAsync(engine => engine.EnqueueTrial(null, trial, values(engine), fromTrial));
    }

    /// <summary>How many trials run at a time from now on; those that run are not ended for it.</summary>
    /// <param name="parallel">At least 1.</param>
    public Task SetParallelAsync(int parallel) => GiveAsync(engine => engine.SetParallel(null, parallel));

    /// <summary>How many trials the study is to have in all.</summary>
    /// <param name="trials">At least those that have begun.</param>
    public Task SetTrialsAsync(int trials) => GiveAsync(engine => engine.SetTrials(null, trials));

    /// <summary>Replaces the space by a wider one, from which trials are drawn from now on.</summary>
    /// <param name="yaml">A file with <c>space:</c>, as <c>set --space</c> takes it.</param>
    public Task WidenAsync(string yaml) => GiveAsync(engine => engine.Widen(null, yaml));

    /// <summary>Something that is to be known of the study, or of a trial, also of one that has ended: <c>show --trial</c> and exports have it.</summary>
    /// <param name="name">What it is; one that is there already is replaced.</param>
    /// <param name="value">Becomes JSON; NaN and infinities as texts.</param>
    /// <param name="trial">Its number; null = the study.</param>
    /// <exception cref="NotSupportedException">The value cannot be JSON.</exception>
    public Task SetAttributeAsync<T>(string name, T value, int? trial = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.Length > StudyRequest.AttributeNameMax)
            throw new SpecException("attributes", $"a name has {name.Length} characters, but must have at most {StudyRequest.AttributeNameMax}");
        string json = StudyEngine.AttributeText(value);
        return GiveAsync(engine => engine.SetAttributes(trial, [KeyValuePair.Create(name, json)]));
    }

    /// <summary>As the space in force reads its own file.</summary>
    private static Func<StudyEngine, ImmutableArray<double>> Values(IReadOnlyDictionary<string, object?> point)
    {
        var node = (MappingNode)SpecYaml.Parse(JsonSerializer.Serialize(point), "point", lines: false);
        return engine => [.. engine.Spec!.Space.Configuration(node, "", partly: true)];
    }

    private async Task GiveAsync(Func<StudyEngine, CommandAnswer> command)
    {
        var answer = await _commands.GiveAsync(command).ConfigureAwait(false);
        if (answer.Refusal is { } why) throw new SpecException("", why);
    }
}
