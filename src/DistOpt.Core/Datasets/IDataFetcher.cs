namespace DistOpt.Core.Datasets;

/// <summary>Gets a file from an address.</summary>
public interface IDataFetcher
{
    /// <summary>Opens the content for reading once.</summary>
    /// <exception cref="IOException">It cannot be had; the message says why in one line. The stream throws the same on failure.</exception>
    Task<Stream> OpenAsync(Uri address, CancellationToken cancellationToken);
}

/// <summary>Gets packages through the npm client of this machine, with its registry, proxy and credentials.</summary>
public interface INpmClient
{
    /// <summary>Downloads a package's archive without unpacking or running anything of it.</summary>
    /// <param name="folder">Existing folder to put the archive into.</param>
    /// <returns>Path of the archive (.tgz).</returns>
    /// <exception cref="IOException">There is no npm client, or it failed; the message says why in one line.</exception>
    Task<string> PackAsync(string name, string version, string folder, CancellationToken cancellationToken);
}
