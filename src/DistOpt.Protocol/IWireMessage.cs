namespace DistOpt.Protocol;

/// <summary>Marks what may cross a process border. Every implementation stands in <see cref="WireManifests"/>; nothing else is read or written.</summary>
public interface IWireMessage;
