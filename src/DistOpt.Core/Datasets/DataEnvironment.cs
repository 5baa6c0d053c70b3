namespace DistOpt.Core.Datasets;

/// <summary>What opening a data set may use of the machine.</summary>
public sealed record DataEnvironment
{
    /// <summary>Environment variable that overrides the data root.</summary>
    public const string RootVariable = "DISTOPT_DATA";

    /// <summary>Folder of downloaded data sets, each in a folder of its name.</summary>
    public required string Root { get; init; }

    /// <summary>Folder that relative paths in a spec start from; null = the process's current folder.</summary>
    public string? BaseFolder { get; init; }

    /// <summary>Decoder for image data sets; null where none is available.</summary>
    public IImageDecoder? ImageDecoder { get; init; }

    /// <summary>The data root of this user: <c>DISTOPT_DATA</c>, else <c>.distopt/data</c> in the home folder.</summary>
    public static string DefaultRoot()
    {
        string? set = Environment.GetEnvironmentVariable(RootVariable);
        if (!string.IsNullOrWhiteSpace(set)) return Path.GetFullPath(set);
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
        return Path.Combine(home.Length > 0 ? home : Path.GetTempPath(), ".distopt", "data");
    }

    /// <summary>A path of a spec as a full path.</summary>
    public string Resolve(string path) =>
        BaseFolder is null ? Path.GetFullPath(path) : Path.GetFullPath(path, Path.GetFullPath(BaseFolder));
}
