namespace DistOpt;

internal enum DoctorStatus
{
    Ok,
    Warning,
    Failed,
}

/// <summary>One line of <c>doctor</c>.</summary>
/// <param name="Text">What was found.</param>
/// <param name="Remedy">What to do; null when all is well.</param>
internal sealed record DoctorCheck(string Name, DoctorStatus Status, string Text, string? Remedy = null)
{
    public static DoctorCheck Ok(string name, string text) => new(name, DoctorStatus.Ok, text);

    public static DoctorCheck Warning(string name, string text, string remedy) => new(name, DoctorStatus.Warning, text, remedy);

    public static DoctorCheck Failed(string name, string text, string remedy) => new(name, DoctorStatus.Failed, text, remedy);
}
