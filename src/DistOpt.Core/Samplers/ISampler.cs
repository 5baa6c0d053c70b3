using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Samplers;

/// <summary>Chooses the parameters of trials. An instance belongs to one study, and is called by one thread at a time.</summary>
public interface ISampler
{
    /// <summary>
    /// Writes the configuration of a trial, NaN where a parameter has no value: a function of the history, the seed and the number alone.
    /// </summary>
    /// <param name="history">The trials before.</param>
    /// <param name="seed">The study's.</param>
    /// <param name="number">The new trial's.</param>
    /// <param name="values">One for each parameter of the history's space.</param>
    void Suggest(StudyHistory history, long seed, int number, Span<double> values);

    /// <summary>
    /// Another configuration for the same trial, where those before it break constraints: a function of the history, the seed, the number and the draw alone.
    /// One that keeps something from one trial to the next does not know by it that there was another draw; of the others it is a suggestion by another seed.
    /// </summary>
    /// <param name="history">The trials before.</param>
    /// <param name="seed">The study's.</param>
    /// <param name="number">The new trial's.</param>
    /// <param name="draw">Counts them: 0 is that of <see cref="Suggest"/>.</param>
    /// <param name="values">One for each parameter of the history's space.</param>
    void Draw(StudyHistory history, long seed, int number, int draw, Span<double> values) => Suggest(history, SeedOf(seed, number, draw), number, values);

    /// <summary>The seed of a draw.</summary>
    internal static long SeedOf(long seed, int number, int draw) =>
        draw == 0 ? seed : (long)(new CounterRandom(seed, RandomPurpose.Search, number, draw).NextUInt64() >> 1);

    /// <summary>Why the sampler cannot be used for a space and a number of objectives; nothing where it can.</summary>
    IEnumerable<SpecViolation> Check(SearchSpace space, int objectives);

    /// <summary>Whether there is a configuration left to suggest: a study whose sampler goes through a list ends with that list.</summary>
    bool HasMore(StudyHistory history) => true;

    /// <summary>Whether it learns from what trials were worth at the rungs of the trial scheduler (<see cref="StudyTrial.Rungs"/>).</summary>
    bool NeedsRungs => false;

    /// <summary>
    /// Whether its suggestions follow a course that is laid out in the space (a list, a sequence, generations), so that the space has to stay as it is.
    /// </summary>
    bool KeepsCourse(StudyHistory history) => false;

    /// <summary>Why a sampler cannot go with a trial scheduler; nothing where it can.</summary>
    internal static IEnumerable<SpecViolation> Check(ISampler sampler, ITrialScheduler scheduler)
    {
        // those that never pause a trial leave none of which the others' next rung is asked
        if (sampler.NeedsRungs && (scheduler.Rungs.IsEmpty || !scheduler.NeedsCheckpoints))
        {
            yield return new SpecViolation("study.sampler",
                "learns from trials that pause at rungs (bohb), and trial_scheduler has none; use hyperband, or asha with promotion, or sampler tpe");
        }
    }
}

/// <summary>
/// A sampler that can draw some parameters of a space and leave the others: what studies need whose trials define their parameters while they run. The
/// parameters of their history have no conditions, and each trial has some of them.
/// </summary>
public interface IPartialSampler : ISampler
{
    /// <summary>Whether it draws parameters together that trials have together; else each by itself.</summary>
    bool DrawsTogether(StudyHistory history);

    /// <summary>Draws values of some parameters together: a function of the history, the seed, the number and their names alone.</summary>
    /// <param name="history">The trials so far, the one that the values are for among them.</param>
    /// <param name="seed">The study's.</param>
    /// <param name="number">The trial's.</param>
    /// <param name="parameters">Places in the history's space; at least one, none with a single value.</param>
    /// <param name="values">One for each of <paramref name="parameters"/>.</param>
    void Suggest(StudyHistory history, long seed, int number, ReadOnlySpan<int> parameters, Span<double> values);

    /// <summary>The stream of a parameter, or of those that are drawn with it: it does not depend on what else there is, and since when.</summary>
    static CounterRandom Stream(StudyHistory history, long seed, int number, int parameter)
    {
        // FNV-1a
        ulong hash = 14695981039346656037;
        foreach (char letter in history.Space.Parameters[parameter].Name) hash = (hash ^ letter) * 1099511628211;
        return new CounterRandom(seed, RandomPurpose.Search, number, (long)(hash >> 1));
    }
}

/// <summary>Options of <c>random</c>: there are none.</summary>
public sealed record RandomOptions;

/// <summary>Every value of a domain as likely as any other (every order of magnitude where it is logarithmic), independently of all trials.</summary>
public sealed class RandomSampler : IPartialSampler
{
    public bool DrawsTogether(StudyHistory history) => false;

    public void Suggest(StudyHistory history, long seed, int number, ReadOnlySpan<int> parameters, Span<double> values)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            var random = IPartialSampler.Stream(history, seed, number, parameters[i]);
            values[i] = history.Space.Parameters[parameters[i]].Domain.FromUnit(random.NextDouble());
        }
    }

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        var random = new CounterRandom(seed, RandomPurpose.Search, number);
        Fill(history.Space, ref random, values);
    }

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

    internal static void Fill(SearchSpace space, ref CounterRandom random, Span<double> values)
    {
        values.Fill(double.NaN);
        for (int i = 0; i < space.Count; i++)
        {
            // drawn in any case: a parameter's value does not depend on whether another one has any
            double unit = random.NextDouble();
            if (space.IsActive(i, values)) values[i] = space.Parameters[i].Domain.FromUnit(unit);
        }
    }

    /// <summary>Draws those that have no value yet.</summary>
    internal static void FillRest(SearchSpace space, ref CounterRandom random, Span<double> values)
    {
        for (int i = 0; i < space.Count; i++)
        {
            double unit = random.NextDouble();
            if (double.IsNaN(values[i]) && space.IsActive(i, values)) values[i] = space.Parameters[i].Domain.FromUnit(unit);
        }
    }
}
