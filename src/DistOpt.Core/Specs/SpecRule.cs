using System.Collections.Immutable;

namespace DistOpt.Core.Specs;

/// <summary>A rule over several fields of a spec.</summary>
/// <param name="Reads">Paths the rule depends on; it is not asked while one of them is wrong by itself.</param>
/// <param name="Check">What is wrong; the binder adds the lines.</param>
public sealed record SpecRule<T>(ImmutableArray<string> Reads, Func<T, IEnumerable<SpecViolation>> Check);
